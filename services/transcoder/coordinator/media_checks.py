"""Which bytes of a video are compared with which hash. Pure.

A joined object is checked in pieces, because the log has the hashes of the objects that it was
joined from.
"""

import msgspec

from services.transcoder.coordinator.missing_media import expected_keys, stated_objects
from services.transcoder.coordinator.playlist_documents import final_documents
from services.transcoder.domain.state import Transcode
from services.transcoder.encoding.source_reader import copy_mark
from services.transcoder.object_keys import content_mark
from services.transcoder.planning.object_join import segments_sha256
from shared.blobs.store import Piece
from shared.contracts import EncodedTrack, VideoUploaded


class Check(msgspec.Struct, frozen=True):
    """Bytes ``start`` to ``end`` of an object, to its end if ``end`` is None.

    ``sha256`` is in hex, its first digits where no more is known, and empty where the log has
    none. ``size``: that of the object, if the log has it. ``of_source``: the object is in the
    bucket of sources. ``together``: objects that are read with it; ``sha256`` is then the hash of
    the hashes of all of them.
    """

    key: str
    start: int = 0
    end: int | None = None
    sha256: str = ""
    size: int | None = None
    of_source: bool = False
    together: tuple[Piece, ...] = ()

    @property
    def place(self) -> str:
        """Where a scrub has come with this check. Places are in the order of checks."""
        return f"{self.key}@{self.start:015d}"


def media_checks(video_id: str, state: Transcode) -> list[Check]:
    """The checks of a completed video's objects in the media bucket, in the order of places."""
    checks: dict[str, Check] = {}
    for each in stated_objects(state):
        _add(checks, Check(each.key, 0, None, each.sha256, each.size))
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    for track in tracks:
        for check in _of_track(track):
            _add(checks, check)
    planned = state.planned
    for key in (planned.remuxed_key, planned.picture_key) if planned is not None else ():
        if key is not None:
            _add(checks, Check(key, 0, None, copy_mark(key) or ""))
    unknown = expected_keys(video_id, state) - {check.key for check in checks.values()}
    derived = _derived(video_id, state) if unknown else {}
    for key in unknown:
        _add(checks, Check(key, 0, None, derived.get(key) or content_mark(key) or ""))
    return sorted(checks.values(), key=lambda check: check.place)


def _derived(video_id: str, state: Transcode) -> dict[str, str]:
    """The hashes of the playlists as they follow from the log now, by key.

    Older events do not have them. A playlist that another version wrote in another way is written
    again, and its hash is in the log then.
    """
    if state.planned is None:
        return {}
    _, documents = final_documents(video_id, state, state.planned)
    return {each.key: each.stored.sha256 for each in documents}


def source_check(uploaded: VideoUploaded) -> Check:
    """The check of a source. Only its size is known if several requests brought it."""
    return Check(uploaded.source_key, 0, None, uploaded.sha256 or "", uploaded.size, of_source=True)


def _of_track(track: EncodedTrack) -> list[Check]:
    if track.key is None:
        return []
    joined = track.key == track.init_key
    found = [Check(track.init_key, 0, track.init_size if joined else None, track.init_sha256)]
    if track.segments:
        start = min(segment.offset for segment in track.segments)
        end = max(segment.offset + segment.size for segment in track.segments)
        sha256 = segments_sha256(track) or ""
        found.append(Check(track.key, start, end if joined else None, sha256))
    return found


def _add(checks: dict[str, Check], check: Check) -> None:
    checks.setdefault(check.place, check)
