"""ISO base media files (ISO/IEC 14496-12): sample tables, fragments that are written. Pure."""
