"""Makes the source of a recorded live: one MP4 file of its segments, without encoding.

From then on it is a source like any other: it is divided, passed through, encoded and repaired as
uploads are. The segments stay as they are; whoever watches them is not disturbed.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from services.transcoder.encoding.source_reader import copy_key
from services.transcoder.mp4.joined_file import (
    HEAD_BYTES,
    JoinedTrack,
    PlacedTrack,
    head,
    tables,
)
from services.transcoder.object_keys import is_of_live
from services.transcoder.planning.media_errors import failed, rejected
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.planning.recording import (
    CONTAINER,
    RecordedSegment,
    recorded_segments,
)
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.worker.context import TaskContext, WorkerContext
from shared.blobs.store import BlobNotFound, BlobStore
from shared.contracts import stream_id
from shared.event_store.serialization import readable
from shared.mp4.boxes import MalformedMp4

# The share of the plan task that each of the two readings is.
_READING: Final = 0.3


def is_recorded_live(task: ClaimedTask) -> bool:
    """Whether the source of a task's job is a recorded live."""
    return is_of_live(task.video_id, task.source_key)


def of_live(found: ProbedSource) -> ProbedSource:
    """What is found of the source, said to be a live's: the scheduler does not hurry with it."""
    facts = msgspec.structs.replace(found.facts, container=CONTAINER)
    return msgspec.structs.replace(found, facts=facts)


async def join_recording(worker: WorkerContext, context: TaskContext) -> TaskContext:
    """Store the source, and return the context of a task that reads it.

    The segments are read twice: the file's name has the hash of its contents. Raises MediaRejected
    where they are no video, TaskFailed where the storage lacks or damages one.
    """
    task = context.task
    recorded = await worker.store.read_stream(stream_id("livesession", task.video_id))
    segments = recorded_segments(readable(event).data for event in recorded)
    joined = _Joined(worker.media, context, segments)
    mark, size = hashlib.sha256(), 0
    async for part in joined.parts(0.0):
        mark.update(part)
        size += len(part)
    key = copy_key(context.prefix, mark.hexdigest()[:32])
    again = hashlib.sha256()

    async def checked() -> AsyncIterator[bytes]:
        async for part in joined.parts(_READING):
            again.update(part)
            yield part
        if again.digest() != mark.digest():
            raise failed("storage.damaged", "two readings of the recording differ")

    if not await worker.media.exists(key):
        await worker.media.put_stream(key, checked(), "video/mp4")
    joined_task = msgspec.structs.replace(task, source_key=key, size=size)
    return msgspec.structs.replace(context, task=joined_task)


class _Joined:
    """The file's bytes. Memory holds a segment, the init segments and the tables."""

    def __init__(
        self, media: BlobStore, context: TaskContext, segments: list[RecordedSegment]
    ) -> None:
        self._media = media
        self._context = context
        self._segments = segments
        self._inits: dict[str, bytes] = {}

    async def parts(self, done: float) -> AsyncIterator[bytes]:
        """The file from its beginning. ``done``: the share of the task that was done before."""
        if not any(not segment.sound for segment in self._segments):
            raise rejected("media.no_tracks")
        yield head(sum(segment.size for segment in self._segments))
        tracks: dict[bool, JoinedTrack] = {}
        places: dict[bool, list[int]] = {False: [], True: []}
        place = HEAD_BYTES
        for number, segment in enumerate(self._segments):
            init, data = await self._init(segment.init_key), await self._read(segment.key)
            if len(data) != segment.size:
                detail = f"{segment.key} has {len(data)} bytes, not {segment.size}"
                raise failed("storage.damaged", detail)
            track = tracks.setdefault(segment.sound, JoinedTrack(init))
            try:
                track.add(init, data, segment.shift)
            except MalformedMp4 as error:
                raise failed("storage.damaged", f"{segment.key}: {error}") from error
            places[segment.sound].append(place)
            yield data
            place += len(data)
            share = number / len(self._segments)
            self._context.progress.fraction = done + _READING * share
        made = [
            PlacedTrack(tracks[sound], places[sound])
            for sound in sorted(tracks)
            if not tracks[sound].empty
        ]
        if not made:
            raise rejected("media.no_tracks")
        yield tables(made)

    async def _init(self, key: str) -> bytes:
        if key not in self._inits:
            self._inits[key] = await self._read(key)
        return self._inits[key]

    async def _read(self, key: str) -> bytes:
        try:
            return await self._media.read(key)
        except BlobNotFound as error:
            raise failed("storage.damaged", f"{key} is missing") from error
