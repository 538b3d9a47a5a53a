"""Live's routes: what owners do with their live streams."""
