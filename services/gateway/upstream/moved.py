"""Media objects that compaction has replaced, and that are deleted: their bytes out of the others.

A player that has paused for hours, or that began while a video was being made, still asks for them.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from services.gateway.http1.h1_client import Response
from services.gateway.request.ranges import asked_part
from shared.moved_media import note_key, read_note

_PIECE: Final = re.compile(r".+/(?:init|\d{5})-[0-9a-f]{12}\.mp4\Z")
_EARLY: Final = "-early.m3u8"


class Place(msgspec.Struct, frozen=True):
    """Bytes ``first`` to ``last`` of the object ``key``; all of it without ``piece``.

    ``piece``: the first byte of the replaced object there, and its size. ``partial``: whether the
    player asked for a part of it.
    """

    key: str
    first: int = 0
    last: int = 0
    piece: tuple[int, int] | None = None
    partial: bool = False


async def find(
    key: str, wanted: bytes, read: Callable[[str], Awaitable[tuple[int, bytes]]]
) -> Place | None:
    """Where the bytes of a missing object are; None where they are nowhere.

    ``wanted``: the request's range. ``read`` gives status and body of another object. Raises what
    it raises.
    """
    if key.endswith(_EARLY):
        # It had the same segments as the playlist of the complete video.
        return Place(f"{key.removesuffix(_EARLY)}.m3u8")
    if not _PIECE.match(key):
        return None
    status, body = await read(note_key(key))
    moved = read_note(body) if status == 200 else None
    folder, _, name = key.rpartition("/")
    piece = moved.pieces.get(name) if moved is not None else None
    if moved is None or piece is None:
        return None
    at, size = piece
    part = asked_part(wanted, size)
    first, last = part or (0, size - 1)
    if first > last:
        return None
    return Place(f"{folder}/{moved.whole}", at + first, at + last, piece, part is not None)


def as_replaced(response: Response, place: Place) -> None:
    """Let a part of the other object look like an answer for the replaced one."""
    if place.piece is None:
        return
    at, size = place.piece
    response.headers = [pair for pair in response.headers if pair[0] != b"content-range"]
    if place.partial:
        extent = (place.first - at, place.last - at, size)
        response.headers.append((b"content-range", b"bytes %d-%d/%d" % extent))
    else:
        response.status = 200
