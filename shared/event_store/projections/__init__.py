"""Projections: running them, parked events, checkpoints, metrics."""
