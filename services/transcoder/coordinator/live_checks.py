"""Which objects of a recorded live its log names, with which sizes and hashes. Pure.

Live has one hash for the segments of a track that one event names. So they are read together.
"""

from collections.abc import Iterable, Iterator, Mapping

from services.transcoder.coordinator.media_checks import Check
from shared.blobs.store import BlobInfo, Piece
from shared.contracts import (
    EncodedTrack,
    Event,
    LivePosterMade,
    LivePublished,
    LiveRecorded,
    StoredObject,
)


def live_checks(events: Iterable[Event]) -> list[Check]:
    """The checks of a session that has been recorded; none for another."""
    found: dict[str, Check] = {}
    recorded = False
    poster: StoredObject | None = None
    for event in events:
        match event:
            case LivePublished():
                found.update((each.key, each) for track in event.tracks for each in _checks(track))
            case LivePosterMade():
                poster = event.object
            case LiveRecorded():
                recorded = True
                found.update((each.key, _whole(each)) for each in event.playlists)
            case _:
                pass
    if poster is not None:
        found[poster.key] = _whole(poster)
    return sorted(found.values(), key=lambda check: check.place) if recorded else []


def _checks(track: EncodedTrack) -> Iterator[Check]:
    size = track.init_size or None
    yield Check(track.init_key, 0, None, track.init_sha256, size)
    pieces = tuple(
        Piece(f"{track.key}/{segment.index}.m4s", segment.size) for segment in track.segments
    )
    if pieces:
        yield Check(pieces[0].key, 0, None, track.sha256 or "", pieces[0].size, together=pieces)


def _whole(stored: StoredObject) -> Check:
    return Check(stored.key, 0, None, stored.sha256, stored.size)


def missing_of_live(events: Iterable[Event], held: Mapping[str, BlobInfo]) -> dict[str, str]:
    """What is wrong with the objects that a recorded session's log names, by key, as far as a
    listing of the bucket tells."""
    wrong: dict[str, str] = {}
    for check in live_checks(events):
        for piece in check.together or (Piece(check.key, check.size or 0),):
            info = held.get(piece.key)
            if info is None:
                wrong[piece.key] = "it is missing"
            elif piece.size and info.size != piece.size:
                wrong[piece.key] = f"it has {info.size} bytes, not {piece.size}"
    return wrong
