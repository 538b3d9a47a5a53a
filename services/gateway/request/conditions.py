"""What a request says about the answer that it would take: codings, and what it has already."""

import re
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from typing import Final

_TAG: Final = rb'(?:W/)?"[\x21\x23-\x7e]*"'
_READABLE: Final = {
    b"range": re.compile(rb"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})"),
    b"if-range": re.compile(_TAG),
    b"if-none-match": re.compile(rb"\*|%b(?:[ \t]*,[ \t]*%b)*" % (_TAG, _TAG)),
}
_SINCE: Final = b"if-modified-since"
_DATE: Final = "%a, %d %b %Y %H:%M:%S GMT"
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


def readable(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """The range and the conditions of a request that mean something.

    All others count for nothing (RFC 9110 §13.1.3, §14.2), and some storages call them errors.
    Several ranges count for nothing either: no player asks for them, and their answer is of another
    type.
    """
    for name, value in headers:
        known = _READABLE.get(name)
        if (known is not None and known.fullmatch(value)) or (name == _SINCE and _is_date(value)):
            yield name, value


def _is_date(value: bytes) -> bool:
    try:
        datetime.strptime(value.decode("latin-1"), _DATE)
    except ValueError:
        return False
    return True


def matches(condition: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names ``etag`` (RFC 9110 §13.1.2, weak comparison)."""
    if not condition:
        return False
    tags = (tag.strip().removeprefix(b"W/") for tag in condition.split(b","))
    return condition.strip() == b"*" or etag in tags
