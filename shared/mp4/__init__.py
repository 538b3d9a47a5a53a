"""ISO base media files: boxes, codec strings, fragments. Pure."""
