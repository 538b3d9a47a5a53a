"""What it costs that an acknowledged upload is on disk."""
