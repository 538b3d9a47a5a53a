"""Finds segments that a lost owner has stored, and not yet written into the log."""

import hashlib
import time
from typing import Final

import msgspec

from services.live import object_keys
from services.live.domain.session import LastTrack
from services.live.packaging.fragments import Init, read_init
from services.live.ports import Session
from services.live.recording.segment_queue import Item
from services.live.window.segments import Segment
from shared.blobs.store import BlobStore
from shared.contracts import Segment as SegmentFacts
from shared.mp4.boxes import MalformedMp4
from shared.mp4.fragment_reader import Fragment, read_fragments

# A batch has some 8 s, and an owner may have waited for the database for a while.
_MOST: Final = 120


async def adopt(
    blobs: BlobStore, session: Session, jumps: int, at: float, reference: LastTrack
) -> list[Item]:
    """The segments that continue what the log has, in the order of their numbers.

    Only of tracks whose decoder settings stayed as the log has them. ``at``: when ``reference``
    ends, in Unix seconds. Raises BlobStoreUnavailable.
    """
    zero = at - reference.end / reference.timescale
    found: list[Item] = []
    for track in session.tracks:
        folder = track.init_key.rpartition("/")[0]
        inits = [info.key async for info in blobs.list(f"{folder}/init-")]
        if inits != [track.init_key]:
            # ffmpeg was started again after what the log has: a discontinuity is not known.
            return []
        known = _Known(track, read_init(await blobs.read(track.init_key)), jumps, zero)
        for number in range(session.next_segment, session.next_segment + _MOST):
            item = await _item(blobs, known, number)
            if item is None:
                break
            found.append(item)
    top = {item.number for item in found if item.track == reference.name}
    return sorted(
        (item for item in found if item.number in top), key=lambda item: (item.number, item.track)
    )


class _Known(msgspec.Struct, frozen=True):
    """What all segments of a track have in common. ``zero``: the time of day at its zero."""

    track: LastTrack
    init: Init
    jumps: int
    zero: float

    @property
    def folder(self) -> str:
        return self.track.init_key.rpartition("/")[0]


async def _item(blobs: BlobStore, known: _Known, number: int) -> Item | None:
    key = object_keys.segment(known.folder, number)
    if not await blobs.exists(key):
        return None
    data = await blobs.read(key)
    try:
        fragments = read_fragments(data)
    except MalformedMp4:
        return None
    return _made(known, number, data, fragments) if fragments else None


def _made(known: _Known, number: int, data: bytes, fragments: list[Fragment]) -> Item:
    start = fragments[0].start
    duration = sum(fragment.duration for fragment in fragments)
    segment = Segment(
        number=number,
        folder=known.folder,
        init_key=known.track.init_key,
        timescale=known.track.timescale,
        jumps=known.jumps,
        start=start,
        at=known.zero + start / known.track.timescale,
        duration=duration,
        done=True,
        stored=True,
    )
    return Item(
        track=known.track.name,
        number=number,
        folder=known.folder,
        key=segment.key,
        jumps=known.jumps,
        init_key=known.track.init_key,
        init=known.init,
        at=segment.at,
        facts=SegmentFacts(
            index=number,
            start=start,
            duration=duration,
            size=len(data),
            key_bytes=fragments[0].key_bytes if known.init.width else 0,
        ),
        sha256=hashlib.sha256(data).hexdigest(),
        since=time.monotonic(),
        segment=segment,
    )
