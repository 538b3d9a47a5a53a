"""Read queries over the read models."""
