"""What split-and-stitch costs, and how soon an upload plays."""
