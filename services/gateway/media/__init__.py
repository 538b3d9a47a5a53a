"""Stored media and running lives, answered to viewers."""
