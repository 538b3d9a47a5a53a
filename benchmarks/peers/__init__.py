"""Programs in Go that stand in for what Cinelog is compared with; see README.md."""
