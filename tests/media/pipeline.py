"""The transcoder's own functions on one file, without a database, a broker or a bucket.

Tasks run one after the other, as a worker would run them. What takes three tries in the product
because storage may be at fault takes one here: a source in memory is always read rightly.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from services.transcoder.coordinator.publisher import Publisher
from services.transcoder.domain.state import Transcode
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.encoding.source_relay import SourceRelay
from services.transcoder.handlers import record, state_of
from services.transcoder.planning.extra_codecs import Codec
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed
from services.transcoder.projections import open_tasks, planned_tasks
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.worker.context import TaskContext, TaskProgress, Tools, WorkerContext
from services.transcoder.worker.worker import PERFORMERS
from shared.contracts import Event, TranscodeFailed, TranscodePlanned, new_id, stream_id
from shared.event_store.memory import MemoryEventStore
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.support.child_memory import child_memory
from tests.support.memory_blobs import MemoryBlobs

_USER = "user-1"
_MEMORY_BYTES = 2 << 30


class Processed(msgspec.Struct, frozen=True):
    """What became of a file: the video's events and, in ``folder``, its objects as files.

    ``peak_bytes``: the most memory that a program had meanwhile.
    """

    events: tuple[Event, ...]
    state: Transcode
    folder: Path
    peak_bytes: int = 0

    @property
    def failure(self) -> TranscodeFailed | None:
        last = self.events[-1]
        return last if isinstance(last, TranscodeFailed) else None

    @property
    def planned(self) -> TranscodePlanned:
        assert self.state.planned is not None, self.events[-1]
        return self.state.planned

    @property
    def attempts(self) -> int:
        return self.state.attempt

    def playlist(self, name: str) -> Path:
        """The playlist of a rendition or a sound track."""
        return self.folder / f"{self.planned.prefix}/{name}.m3u8"


async def process(source: Path, folder: Path, *, hdr_codecs: tuple[Codec, ...] = ()) -> Processed:
    """Do all of a video's tasks, until it is completed or has failed."""
    sources, media, store = MemoryBlobs(), MemoryBlobs(), MemoryEventStore()
    data = await asyncio.to_thread(source.read_bytes)
    video_id = new_id()
    await sources.put(f"{video_id}/source", data, "application/octet-stream")
    async with SourceRelay().serving() as relay:
        worker = WorkerContext(
            name="worker",
            tools=Tools(
                ffmpeg=find_ffmpeg(None),
                ffprobe=find_ffprobe(None),
                preset="superfast",
                threads=1,
                memory_bytes=_MEMORY_BYTES,
                hdr_codecs=hdr_codecs,
            ),
            sources=SourceReader(sources, media, relay),
            media=media,
            store=store,
        )
        with child_memory() as memory:
            await _attempts(worker, video_id, len(data))
    for key in media.keys(""):
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(await media.read(key))
    events = [r.data for r in await store.read_stream(stream_id("transcode", video_id))]
    state = await state_of(store, video_id)
    return Processed(tuple(events), state, folder, memory.peak_bytes)


async def _attempts(worker: WorkerContext, video_id: str, size: int) -> None:
    """Every attempt that the decider begins, to its end."""
    seen = 0
    while (state := await state_of(worker.store, video_id)).open:
        assert state.attempt > seen, "the attempt ended without an event"
        seen = state.attempt
        await _attempt(worker, video_id, size, state)


async def _attempt(worker: WorkerContext, video_id: str, size: int, state: Transcode) -> None:
    rows = open_tasks(None, video_id, _USER, state.attempt, ["plan"])
    while rows:
        row = rows.pop(0)
        event = await _perform(worker, row, size, state.planned)
        await record(worker.store, video_id, event, video_id)
        before, state = state, await state_of(worker.store, video_id)
        if not state.open or state.attempt != before.attempt:
            return
        if isinstance(event, TranscodePlanned):
            rows += sorted(planned_tasks(event), key=lambda each: each["priority"])
    for new in await Publisher(worker.media).publish(video_id, state):
        await record(worker.store, video_id, new, video_id)


async def _perform(
    worker: WorkerContext, row: dict[str, Any], size: int, planned: TranscodePlanned | None
) -> Event:
    """A task's event: its result, or that the attempt failed."""
    task = ClaimedTask(
        task_id=row["task_id"],
        video_id=row["video_id"],
        user_id=row["user_id"],
        attempt=row["attempt"],
        kind=row["kind"],
        spec=row["spec"],
        dispatch=1,
        tries=1,
        plan=msgspec.to_builtins(planned) if planned else None,
        source_key=f"{row['video_id']}/source",
        size=size,
        correlation_id=None,
        traceparent=None,
    )
    with _scratch() as folder:
        context = TaskContext(task, folder, TaskProgress(), time.monotonic())
        try:
            return await PERFORMERS[task.kind](worker, context)
        except (MediaRejected, TaskFailed) as error:
            return TranscodeFailed(
                video_id=task.video_id,
                attempt=task.attempt,
                code=error.code,
                reason=error.reason,
                detail=error.detail,
            )


@contextmanager
def _scratch() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)
