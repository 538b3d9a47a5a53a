"""One bad item of a hundred in each loop of ingest's sweep: the others do not notice."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
from prometheus_client import CollectorRegistry

from services.ingest.handlers.sweep import Sweep
from services.ingest.handlers.upload_events import UploadEvents
from services.ingest.handlers.writer import TAILS
from shared.contracts import VideoDeleted, VideoUploaded, new_id, stream_id
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, Unreadable, UnreadableStream
from shared.loops.items import ItemMetrics

OLD = datetime.now(UTC) - timedelta(days=10)


class Blob(msgspec.Struct):
    key: str
    modified_at: datetime = OLD


class Stray(msgspec.Struct):
    """A multipart upload that was begun."""

    key: str
    upload_id: str
    started_at: datetime = OLD


class FakeUpload(msgspec.Struct):
    id: str
    phase: str
    created_at: datetime = OLD
    expires_at: datetime = OLD
    read_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    whole: bool = False
    partial: bool = False


class World:
    """Tables, bucket and steps: the objects of ``keys``, and uploads to settle."""

    def __init__(self, keys: Sequence[str], uploads: Sequence[FakeUpload] = ()) -> None:
        self.pending = list(keys)
        self.uploads = {upload.id: upload for upload in uploads}
        self.objects = list(keys)
        self.bad: str | None = None
        self.bad_abort: str | None = None
        self.stray: list[Stray] = []
        self.tries = 0
        self.given_up: list[str] = []

    async def pending_deletion(self, limit: int, without: Sequence[str]) -> list[str]:
        return [key for key in self.pending if key not in without][:limit]

    async def deleted(self, keys: Sequence[str]) -> None:
        self.pending = [key for key in self.pending if key not in keys]

    async def forget_deleted(self) -> None: ...

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def list_unused(self, keys: Sequence[str], delay: timedelta) -> list[str]:
        assert delay > timedelta(hours=1)
        new = [key for key in keys if key not in self.pending]
        self.pending += new
        return new

    async def delete(self, key: str) -> None:
        if key == self.bad:
            self.tries += 1
            raise ValueError("the storage answers something odd")
        self.objects.remove(key)

    async def due(self, limit: int) -> list[FakeUpload]:
        return list(self.uploads.values())[:limit]

    async def postpone(self, upload_id: str) -> None:
        self.uploads[upload_id] = self.uploads.pop(upload_id)

    async def known_multiparts(self) -> set[str]:
        return set()

    async def known_uploads(self, upload_ids: list[str]) -> set[str]:
        return set()

    async def known_tails(self, keys: Sequence[str]) -> set[str]:
        return set()

    async def unfinished(self) -> AsyncIterator[Any]:
        for part in list(self.stray):
            yield part

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        if upload_id == self.bad_abort:
            raise ValueError("the storage answers something odd")
        self.stray = [part for part in self.stray if part.upload_id != upload_id]

    async def list(self, prefix: str = "") -> AsyncIterator[Blob]:
        for key in list(self.objects):
            yield Blob(key)

    # The steps of an upload.
    async def expire(self, upload: FakeUpload) -> None:
        if upload.id == self.bad:
            raise ValueError("odd")
        del self.uploads[upload.id]

    async def complete(self, upload_id: str) -> None:
        raise UnreadableStream(f"upload-{upload_id}", 1, "newer")

    async def give_up(self, upload: FakeUpload) -> None:
        self.given_up.append(upload.id)

    @property
    def ender(self) -> "World":
        return self

    @property
    def completer(self) -> "World":
        return self


def sweep_of(world: World, store: MemoryEventStore | None = None) -> Sweep:
    part = cast(Any, world)
    events = UploadEvents(store or MemoryEventStore(), part)
    metrics = ItemMetrics(CollectorRegistry())
    return Sweep(part, events, part, part, metrics=metrics)


async def test_one_source_that_cannot_be_deleted_does_not_hold_up_the_others() -> None:
    world = World([f"video{number}/source" for number in range(250)])
    world.bad = "video0/source"
    sweep = sweep_of(world)
    assert await sweep.delete_sources() == 249
    assert world.objects == world.pending == [world.bad]
    assert await sweep.delete_sources() == 0
    assert world.tries == 1


async def test_one_upload_that_cannot_be_settled_does_not_hold_up_the_others() -> None:
    world = World([], [FakeUpload(f"u{number}", "open") for number in range(100)])
    world.bad = "u37"
    swept = await sweep_of(world).round()
    assert (swept.expired, swept.failed) == (99, 1)
    assert list(world.uploads) == ["u37"]


async def test_an_upload_is_never_given_up_because_its_stream_is_of_a_newer_version() -> None:
    world = World([], [FakeUpload("u", "completing")])
    assert (await sweep_of(world).round()).failed == 1
    assert world.given_up == []


async def test_an_object_whose_stream_cannot_be_read_is_kept_and_named() -> None:
    ids = [new_id() for _ in range(100)]
    world, store = World([f"{each}/source" for each in ids]), MemoryEventStore()
    world.pending.clear()
    newer = NewEvent(Unreadable(reason="newer"))
    await store.append(f"upload-{ids[37]}", 0, [newer], Metadata())
    found = await sweep_of(world, store).orphans()
    kept = f"{ids[37]}/source"
    assert [finding.subject for finding in found if finding.action == "unreadable"] == [kept]
    assert sum(finding.action == "remove" for finding in found) == 99
    # Nothing is deleted before its time on the list is over.
    assert len(world.objects) == 100
    assert sorted(world.pending) == sorted(set(world.objects) - {kept})
    assert await sweep_of(world, store).delete_sources() == 99
    assert world.objects == [kept]


async def test_one_orphan_that_cannot_be_removed_does_not_hold_up_the_others() -> None:
    world = World([f"{TAILS}{number:03d}/1-9" for number in range(100)])
    world.stray = [Stray(f"video{number}/source", f"upload{number}") for number in range(100)]
    world.bad = f"{TAILS}037/1-9"
    world.bad_abort = "upload37"
    found = await sweep_of(world).orphans()
    assert len(found) == 200
    assert world.objects == [world.bad]
    assert [part.upload_id for part in world.stray] == [world.bad_abort]


async def test_a_listed_source_that_is_a_videos_stays() -> None:
    """Whatever listed it: the log is asked again before each deletion."""
    mine, other = new_id(), new_id()
    world, store = World([f"{mine}/source", f"{other}/source"]), MemoryEventStore()
    uploaded = VideoUploaded(
        video_id=mine,
        user_id="u",
        title="t",
        description="",
        filename="f",
        content_type="video/mp4",
        size=1,
        source_key=f"{mine}/source",
    )
    await store.append(stream_id("upload", mine), 0, [NewEvent(uploaded)], Metadata())
    sweep = sweep_of(world, store)
    assert await sweep.delete_sources() == 2
    assert world.objects == [f"{mine}/source"]
    assert world.pending == []
    world.pending.append(f"{mine}/source")
    deleted = VideoDeleted(video_id=mine, user_id="u", deleted_by="u")
    await store.append(stream_id("video", mine), 0, [NewEvent(deleted)], Metadata())
    assert await sweep.delete_sources() == 1
    assert world.objects == []
