"""What a request says about the answer that it would take: codings, and what it has already."""

from collections.abc import Container
from typing import Final

_REFUSED: Final = frozenset(("q=0", "q=0.0", "q=0.00", "q=0.000"))


def coding(accepted: bytes, forms: Container[str]) -> str:
    """The best of ``forms`` by Accept-Encoding (RFC 9110 §12.5.3); "" for the plain one.

    A weight of 0 refuses a coding.
    """
    offered: set[str] = set()
    for item in accepted.decode("latin-1").split(","):
        name, _, weight = item.partition(";")
        if weight.replace(" ", "") not in _REFUSED:
            offered.add(name.strip().lower())
    for known in ("br", "gzip"):
        if known in forms and known in offered:
            return known
    return ""


def matches(condition: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names ``etag`` (RFC 9110 §13.1.2, weak comparison)."""
    if not condition:
        return False
    tags = (tag.strip().removeprefix(b"W/") for tag in condition.split(b","))
    return condition.strip() == b"*" or etag in tags
