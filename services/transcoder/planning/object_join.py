"""Joins a finished track's objects into one: the init segment, then all segments in order. Pure.

Contents and key follow from the events alone, so any coordinator can repeat a join with the same
result.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from services.transcoder.object_keys import content_mark
from shared.blobs.store import Piece
from shared.contracts import EncodedTrack


class JoinedObject(msgspec.Struct, frozen=True):
    """The object that replaces a track's objects. ``size`` in bytes."""

    track: str
    key: str
    size: int
    pieces: tuple[Piece, ...]


def join_tracks(name: str, tracks: Sequence[EncodedTrack]) -> JoinedObject | None:
    """The joined object of a track; None where its objects cannot be joined or are joined already.

    They can be joined if all of them have the same init segment.
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
    # The key contains a hash of the contents, as the keys of the pieces do.
    contents = "\n".join(piece.key for piece in pieces)
    mark = hashlib.sha256(contents.encode()).hexdigest()[:12]
    folder = first.init_key.rpartition("/")[0]
    return JoinedObject(name, f"{folder}/all-{mark}.mp4", sum(p.size for p in pieces), pieces)


def relocate_tracks(tracks: Sequence[EncodedTrack], key: str | None) -> tuple[EncodedTrack, ...]:
    """The same segments with their offsets in the joined object ``key``.

    ``tracks`` are returned unchanged where ``key`` is not the key of their join.
    """
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
        found.append(
            msgspec.structs.replace(
                track, key=key, init_key=key, segments=segments, sha256=segments_sha256(track)
            )
        )
        offset += _size(track)
    return tuple(found)


def segments_sha256(track: EncodedTrack) -> str | None:
    """The hash of a track's segments, or its first digits, which their key contains."""
    return track.sha256 or content_mark(track.key or "")


def _size(track: EncodedTrack) -> int:
    return max((segment.offset + segment.size for segment in track.segments), default=0)
