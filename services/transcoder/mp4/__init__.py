"""ISO base media files (ISO/IEC 14496-12): boxes, sample tables, fragments. Pure."""
