"""Sample entries and the boxes inside them (ISO/IEC 14496-12, 12.1.3 and 12.2.3). Pure."""

from typing import Final

from services.transcoder.mp4.boxes import Box, boxes, find

# Bytes of a visual sample entry before its child boxes, header included.
VISUAL_ENTRY_BYTES: Final = 86


def config(entry: bytes) -> Box:
    """The avcC box in a visual sample entry. Raises MalformedMp4."""
    return find(entry, ("avcC",), VISUAL_ENTRY_BYTES, len(entry))


def entry_children(entry: bytes) -> list[Box]:
    """The boxes in a visual sample entry."""
    return list(boxes(entry, VISUAL_ENTRY_BYTES, len(entry)))
