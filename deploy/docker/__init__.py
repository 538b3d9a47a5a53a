"""The images: how they are built, and on what."""
