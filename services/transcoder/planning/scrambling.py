"""Whether a transport stream is scrambled (ISO/IEC 13818-1, 2.4.3.3). Pure."""

from typing import Final

_SYNC: Final = 0x47
_SIZES: Final = (188, 192, 204)
# Packets that must follow one another for bytes to be a transport stream.
_LEAST_PACKETS: Final = 8
# The share of scrambled packets from which on the stream is.
_SHARE: Final = 0.25


def is_scrambled(head: bytes) -> bool:
    """Whether the beginning of a file is a transport stream that needs a key."""
    for size in _SIZES:
        for start in range(size):
            flags = head[start + 3 :: size]
            marks = head[start::size][: len(flags)]
            if len(flags) >= _LEAST_PACKETS and marks.count(_SYNC) == len(marks):
                return sum(flag >> 6 != 0 for flag in flags) >= _SHARE * len(flags)
    return False
