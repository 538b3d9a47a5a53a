"""Which bytes of a file a request asks for (RFC 9110, 14). Pure."""

import re
from typing import Final

_RANGE: Final = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")


def asked_part(wanted: bytes, size: int) -> tuple[int, int] | None:
    """The first and the last byte that a range asks for; None where it counts for nothing.

    Behind the end of ``size`` bytes, the first is after the last. Several ranges count for nothing.
    """
    found = _RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    first = int(found[1])
    last = min(int(found[2] or size), size - 1)
    return (first, last) if first <= last or first >= size else None
