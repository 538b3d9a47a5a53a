"""Chat: what viewers of a live write to each other, and its replay beside the video."""
