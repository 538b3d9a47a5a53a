"""A finished track's objects, joined to one: the init segment, then all segments in order. Pure.

What the one holds, and its key, follows from the facts in the log alone, so joining can be
repeated, by another planner too, with the same result.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from shared.blobs.store import Piece
from shared.contracts import EncodedTrack


class JoinedObject(msgspec.Struct, frozen=True):
    """The object that takes the place of a track's others. ``size`` in bytes."""

    track: str
    key: str
    size: int
    pieces: tuple[Piece, ...]


def join_tracks(name: str, tracks: Sequence[EncodedTrack]) -> JoinedObject | None:
    """What the runs of segments of one track become; None where they cannot, or are, joined.

    They can if one init segment serves all of them.
    """
    if not tracks:
        return None
    first = tracks[0]
    apart = all(
        track.init_size > 0
        and track.key not in (None, track.init_key)
        and track.init_key == first.init_key
        for track in tracks
    )
    if not apart:
        return None
    bodies = (Piece(track.key or "", _size(track)) for track in tracks)
    pieces = (Piece(first.init_key, first.init_size), *bodies)
    # Named after what it holds, as its pieces are.
    held = "\n".join(piece.key for piece in pieces)
    mark = hashlib.sha256(held.encode()).hexdigest()[:12]
    folder = first.init_key.rpartition("/")[0]
    return JoinedObject(name, f"{folder}/all-{mark}.mp4", sum(p.size for p in pieces), pieces)


def relocate_tracks(tracks: Sequence[EncodedTrack], key: str | None) -> tuple[EncodedTrack, ...]:
    """The same runs of segments, where they are once they are joined under ``key``."""
    whole = join_tracks("", tracks)
    if whole is None or whole.key != key:
        return tuple(tracks)
    offset = tracks[0].init_size
    found: list[EncodedTrack] = []
    for track in tracks:
        segments = tuple(
            msgspec.structs.replace(segment, offset=segment.offset + offset)
            for segment in track.segments
        )
        found.append(msgspec.structs.replace(track, key=key, init_key=key, segments=segments))
        offset += _size(track)
    return tuple(found)


def _size(track: EncodedTrack) -> int:
    return max((segment.offset + segment.size for segment in track.segments), default=0)
