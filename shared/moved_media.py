"""Where the bytes of media objects are that compaction has joined into others. Pure.

The transcoder stores a note of it beside each joined object. Once the replaced objects are deleted,
the gateway reads the note for players that still ask for them.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

NOTE: Final = "moved.json"
"""The name of the note in the folder of a track."""
CONTENT_TYPE: Final = "application/json"


class Moved(msgspec.Struct, frozen=True):
    """``whole``: the name of the joined object. ``pieces``: the first byte there and the size of
    each replaced object, by its name; all of them are in one folder."""

    whole: str
    pieces: dict[str, tuple[int, int]]


def note_key(key: str) -> str:
    """The key of the note for the object ``key``."""
    return f"{key.rpartition('/')[0]}/{NOTE}"


def write_note(whole: str, pieces: Iterable[tuple[str, int]]) -> bytes:
    """The note of a joined object; ``pieces``: keys and sizes of what it was joined from."""
    found: dict[str, tuple[int, int]] = {}
    at = 0
    for key, size in pieces:
        found[key.rpartition("/")[2]] = at, size
        at += size
    return msgspec.json.encode(Moved(whole.rpartition("/")[2], found))


def read_note(data: bytes) -> Moved | None:
    """A note; None where it is none."""
    try:
        return msgspec.json.decode(data, type=Moved)
    except msgspec.DecodeError:
        return None
