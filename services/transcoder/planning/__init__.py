"""What is made of a source: probe report, ladder, chunks, passthrough, storyboard. Pure."""
