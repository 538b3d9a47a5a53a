"""Loops of a process: repeated work, elected leaders, and whether each loop still advances."""
