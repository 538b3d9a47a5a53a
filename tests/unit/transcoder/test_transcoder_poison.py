"""One bad item among forty in each of the coordinator's loops: the others do not notice.

A stream that cannot be read, an object that the storage refuses for ever, a message that the broker
does not take.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.transcoder.coordinator.coordinator import Coordinator
from services.transcoder.coordinator.deletion_repository import Deletion
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.playlist_documents import final_documents
from services.transcoder.coordinator.scrub_loop import ScrubLoop, ScrubPlan
from services.transcoder.coordinator.scrub_repository import BegunScrub, Suspect
from services.transcoder.coordinator.scrubbing import Scrubber
from services.transcoder.handlers import load_state
from services.transcoder.jobs.jobs import JobRecord
from services.transcoder.scheduler.dispatcher import ExhaustedTask, JobProgress, PickedTask
from shared.blobs.store import BlobInfo, BlobStoreUnavailable
from shared.contracts import Event, stream_id
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, Unreadable
from shared.loops.loops import Loops
from tests.support.memory_blobs import MemoryBlobs
from tests.unit.transcoder.facts_about import (
    COMPLETED,
    IMAGES,
    audio_encoded,
    chunk_encoded,
    plan,
)

VIDEOS = [f"video{number:02d}" for number in range(40)]
POISONED = "video07"
OTHERS = set(VIDEOS) - {POISONED}
PLAN = plan(8.0)
MADE: list[Event] = [
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
    audio_encoded(0, 2, complete=True),
    IMAGES,
]
KINDS = pytest.mark.parametrize("kind", ["stream", "object"])


class Bucket(MemoryBlobs):
    """Refuses whatever is asked of the objects of one video."""

    def __init__(self) -> None:
        super().__init__()
        self.poisoned: str | None = None

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name not in ("put", "read", "head", "exists", "delete", "open", "join"):
            return found

        def checked(key: str = "", *arguments: Any, **named: Any) -> Any:
            if self.poisoned is not None and key.startswith(self.poisoned) and key:
                raise BlobStoreUnavailable("this object is never answered for")
            return found(key, *arguments, **named)

        return checked

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[BlobInfo]:
        poisoned, self.poisoned = self.poisoned, None
        found = [blob async for blob in super().list(prefix, after=after)]
        self.poisoned = poisoned
        if poisoned and prefix.startswith(poisoned):
            raise BlobStoreUnavailable("this folder is never listed")
        for blob in found:
            yield blob


class Tables:
    """Jobs, tasks, deletions and scrubs, as the coordinator asks for them."""

    def __init__(self, state: str) -> None:
        self.jobs = {v: JobRecord(v, "u", 1, state, 1, None, None) for v in VIDEOS}
        self.done: dict[str, list[str]] = {}
        self.deletions = [Deletion(f"{video}/a1/stray.mp4", video, "unused") for video in VIDEOS]
        self.exhausted_videos: list[str] = []
        self.picked: list[PickedTask] = []
        self.put_off: list[str] = []

    def _todo(self, what: str, limit: int, without: Sequence[str]) -> list[JobRecord]:
        done = self.done.get(what, [])
        return [j for v, j in self.jobs.items() if v not in done and v not in without][:limit]

    def _note(self, what: str, video_id: str) -> None:
        self.done.setdefault(what, []).append(video_id)

    async def to_publish(self, limit: int, without: Sequence[str]) -> list[JobRecord]:
        return self._todo("published", limit, without)

    async def published(self, job: JobRecord) -> None:
        self._note("published", job.video_id)

    async def to_sweep(self, limit: int, without: Sequence[str]) -> list[JobRecord]:
        return self._todo("swept", limit, without)

    async def swept(self, job: JobRecord) -> None:
        self._note("swept", job.video_id)

    async def to_compact(self, limit: int, without: Sequence[str]) -> list[JobRecord]:
        return self._todo("compacted", limit, without)

    async def compacted(self, job: JobRecord) -> None:
        self._note("compacted", job.video_id)

    async def to_drop(self, limit: int, without: Sequence[str]) -> list[JobRecord]:
        return self._todo("dropped", limit, without)

    async def dropped(self, job: JobRecord) -> None:
        self._note("dropped", job.video_id)

    # The list of deletions.

    async def add(self, video_id: str, keys: Iterable[str], reason: str) -> list[str]:
        return []

    async def due(self, limit: int, without: Sequence[str]) -> list[Deletion]:
        return [entry for entry in self.deletions if entry.key not in without][:limit]

    async def remove(self, key: str) -> None:
        self.deletions = [entry for entry in self.deletions if entry.key != key]

    # Tasks.

    async def expire(self) -> int:
        return 0

    async def exhausted(self, without: Sequence[str]) -> list[ExhaustedTask]:
        return [
            ExhaustedTask(task_id=video, video_id=video, attempt=1, error=None)
            for video in self.exhausted_videos
            if video not in without
        ]

    async def progress(self) -> list[JobProgress]:
        return [
            JobProgress(video_id=video, attempt=1, percent=40.0, speed=1.0, worker="w")
            for video in VIDEOS
        ]

    async def forget_workers(self) -> None:
        return

    async def in_demand(self) -> list[str]:
        return ["bulk"]

    async def pick(self, queue: str) -> list[PickedTask]:
        if queue != "bulk":
            return []
        found, self.picked = self.picked, []
        return found

    async def unsent(self, tasks: Sequence[PickedTask], *, delay: float = 0.0) -> None:
        self.picked += [] if delay else tasks
        self.put_off += [task.task_id for task in tasks if delay]

    # The scrub.

    async def next_video(self, pause: timedelta, without: Sequence[str]) -> BegunScrub | None:
        found = self._todo("scrubbed", 1, without)
        return BegunScrub(found[0].video_id, None, None) if found else None

    async def reached(self, video_id: str, version: int, place: str) -> None:
        return

    async def finished(self, video_id: str, version: int) -> None:
        self._note("scrubbed", video_id)

    def unfinished(self, video_id: str, until: float = 0.0) -> None:
        """Its objects are read in one block each."""

    async def suspect(self, video_id: str, key: str, again: timedelta) -> int:
        return 1

    async def due_suspects(self, limit: int) -> list[Suspect]:
        return [Suspect(video, f"{video}/master.m3u8", 1) for video in VIDEOS]

    async def cleared(self, video_id: str, key: str) -> None:
        self._note("cleared", video_id)

    async def forget_deleted(self) -> None:
        return

    async def irreparable_of(self, video_id: str) -> list[str]:
        return []

    async def count_irreparable(self) -> int:
        return 0


class Bench:
    """A coordinator over all of it, after the videos have been made."""

    def __init__(self, state: str) -> None:
        self.log = MemoryEventStore()
        self.media = Bucket()
        self.tables = Tables(state)
        part = cast(Any, self.tables)
        registry = CollectorRegistry()
        self.metrics = CoordinatorMetrics(cast(Any, None), registry)
        self.coordinator = Coordinator(
            part,
            part,
            self.log,
            cast(Any, self.media),
            part,
            metrics=self.metrics,
            loops=Loops(registry),
        )
        scrubber = Scrubber(
            part, self.log, cast(Any, self.media), cast(Any, self.media), self.metrics.scrub
        )
        self.scrub = ScrubLoop(scrubber, part, ScrubPlan(1e12, timedelta(days=1)), self.metrics)

    async def make(self, *events: Event) -> None:
        """Append the events to each video's stream, and store what they name."""
        for video in VIDEOS:
            name = stream_id("transcode", video)
            own = [NewEvent(_of(video, event)) for event in events]
            await self.log.append(name, 0, own, Metadata())
            text = msgspec.json.encode([_of(video, event) for event in events]).decode()
            for key in {part for part in text.split('"') if part.startswith(f"{video}/")}:
                await self.media.put(key, b"x", "")
            await self.media.put(f"{video}/a1/stray.mp4", b"x", "")

    async def poison(self, kind: str) -> None:
        if kind == "stream":
            name = stream_id("transcode", POISONED)
            version = len(await self.log.read_stream(name))
            newer = NewEvent(Unreadable(reason="newer"))
            await self.log.append(name, version, [newer], Metadata())
        else:
            self.media.poisoned = f"{POISONED}/"

    async def types(self, video: str) -> list[str]:
        events = await self.log.read_stream(stream_id("transcode", video))
        return [recorded.type for recorded in events]


def _of(video: str, event: Event) -> Event:
    text = msgspec.json.encode(event).decode().replace('"v/', f'"{video}/')
    return msgspec.convert(msgspec.json.decode(text) | {"video_id": video}, type(event))


async def rounds(step: Callable[[], Awaitable[object]], count: int) -> None:
    """So many rounds, as the loop calls them: one that fails is repeated."""
    for _ in range(count):
        try:
            await step()
        except BlobStoreUnavailable:
            continue


@KINDS
async def test_playlists(kind: str) -> None:
    bench = Bench("running")
    await bench.make(*MADE)
    await bench.poison(kind)
    await rounds(bench.coordinator._publish_round, 6)
    assert set(bench.tables.done["published"]) == OTHERS
    for video in OTHERS:
        assert (await bench.types(video))[-1] == "TranscodeCompleted"


@KINDS
async def test_sweeps(kind: str) -> None:
    bench = Bench("completed")
    await bench.make(*MADE, COMPLETED)
    await bench.poison(kind)
    await rounds(bench.coordinator._keep_house, 6)
    assert set(bench.tables.done["swept"]) == OTHERS


@KINDS
async def test_compaction_and_what_it_replaced(kind: str) -> None:
    bench = Bench("completed")
    await bench.make(*MADE, COMPLETED)
    await bench.poison(kind)
    await rounds(bench.coordinator._compactor.step, 42)
    assert set(bench.tables.done["compacted"]) == OTHERS
    assert set(bench.tables.done["dropped"]) == OTHERS
    for video in OTHERS:
        assert (await bench.types(video))[-1] == "MediaCompacted"


@KINDS
async def test_deletions(kind: str) -> None:
    bench = Bench("completed")
    await bench.make(*MADE, COMPLETED)
    await bench.poison(kind)
    await rounds(bench.coordinator._deleter.round, 1)
    assert [entry.video_id for entry in bench.tables.deletions] == [POISONED]
    assert bench.media.keys(f"{POISONED}/a1/stray")
    assert not any(bench.media.keys(f"{video}/a1/stray") for video in OTHERS)


async def test_progress_and_exhausted_tasks() -> None:
    bench = Bench("running")
    await bench.make(*MADE[:2])
    await bench.poison("stream")
    await bench.coordinator._reporting.each(
        await bench.tables.progress(), lambda each: each.video_id, bench.coordinator._report
    )
    for video in OTHERS:
        assert (await bench.types(video))[-1] == "TranscodeProgressed"
    bench.tables.exhausted_videos = VIDEOS
    await bench.coordinator._keep_house()
    for video in OTHERS:
        assert (await bench.types(video))[-1] == "TranscodeFailed"


class Queue:
    """Refuses the message of one task."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, queue: str, task: PickedTask) -> None:
        if task.task_id == POISONED:
            raise ValueError("a message that the broker does not take")
        self.sent.append(task.task_id)


@pytest.mark.parametrize("place", [0, 7, 39])
async def test_dispatch(place: int) -> None:
    bench, queue = Bench("running"), Queue()
    names = sorted(OTHERS)
    names.insert(place, POISONED)
    bench.tables.picked = [PickedTask(name, 1, None) for name in names]
    await bench.coordinator._dispatch_round(queue)
    assert queue.sent == sorted(OTHERS)
    assert bench.tables.put_off == [POISONED]
    assert bench.tables.picked == []


@KINDS
async def test_scrubs_and_suspected_objects(kind: str) -> None:
    bench = Bench("completed")
    await bench.make(*MADE, COMPLETED)
    for video in VIDEOS:
        state, _ = await load_state(bench.log, video)
        assert state.planned is not None
        for each in final_documents(video, state, state.planned)[1]:
            await bench.media.put(each.key, each.data, each.content_type)
    await bench.poison(kind)
    await rounds(bench.scrub.round, 2)
    scrubbed = set(bench.tables.done["scrubbed"])
    # An object that is not answered for is suspected, and the scrub of its video goes on.
    assert scrubbed == (OTHERS if kind == "stream" else set(VIDEOS))
    assert set(bench.tables.done["cleared"]) >= OTHERS - {POISONED}
