"""Decides what is made of a source: renditions, chunks, passthrough, storyboard. Pure."""
