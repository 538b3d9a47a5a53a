"""Projections: run, watched, parked events, checkpoints."""
