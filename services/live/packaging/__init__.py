"""Packaging: the tags of a publisher become parts of segments, through one ffmpeg per session."""
