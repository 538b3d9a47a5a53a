"""What was acknowledged is there; what was not leaves nothing, whatever dies and whenever."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import httpx
import msgspec
import pytest

from services.ingest.details import Details
from services.ingest.projections import PendingDeletions
from shared.contracts import (
    UploadAborted,
    UploadExpired,
    UploadStarted,
    UserDeleted,
    VideoDeleted,
    VideoUploaded,
    stream_id,
)
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from tests.integration.ingest.forms import (
    BOUNDARY,
    CONTENT_TYPE,
    TITLE,
    UPLOAD,
    form,
    problem,
    send,
    slowly,
)
from tests.integration.ingest.harness import (
    Cuttable,
    ForgetfulStore,
    Ingest,
    Silence,
    StaticKeys,
    clip,
    config,
    running,
)
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wait import eventually

MIB = 1024 * 1024


async def test_a_client_that_goes_away_leaves_only_the_fact(ingest: Ingest) -> None:
    body = form(TITLE, ("video", "a.mp4", clip(12 * MIB)))
    async with ingest.client() as client:
        request = asyncio.create_task(
            client.post(
                UPLOAD,
                content=slowly(body, 11 * MIB, asyncio.Event()),
                headers={"content-type": CONTENT_TYPE},
            )
        )
        await eventually(lambda: bool(ingest.unfinished()))
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)

        async def ended() -> bool:
            return isinstance((await ingest.all_events())[-1], UploadAborted)

        await eventually(ended)
        await eventually(lambda: not ingest.unfinished())
    started, aborted = await ingest.all_events()
    assert isinstance(started, UploadStarted)
    assert isinstance(aborted, UploadAborted)
    assert "connection was closed" in aborted.reason
    assert ingest.objects() == {}


async def test_memory_does_not_grow_with_the_video(ingest: Ingest) -> None:
    block = clip(MIB)
    head = form(TITLE, ("video", "a.mp4", b""))
    end = f"\r\n--{BOUNDARY}--\r\n".encode()
    head = head.removesuffix(end)

    async def long(mebibytes: int) -> AsyncIterator[bytes]:
        yield head
        for _ in range(mebibytes):
            yield block
        yield end

    async def peak(client: httpx.AsyncClient, mebibytes: int) -> int:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        answer = await client.post(
            UPLOAD, content=long(mebibytes), headers={"content-type": CONTENT_TYPE}
        )
        assert answer.status_code == 202, answer.text
        _, highest = tracemalloc.get_traced_memory()
        return highest - before

    async with ingest.client() as client:
        await peak(client, 1)
        tracemalloc.start()
        try:
            small, large = await peak(client, 12), await peak(client, 60)
        finally:
            tracemalloc.stop()
    assert large < 1.5 * small + MIB
    assert large < 30 * MIB


async def test_without_the_bucket_nothing_is_acknowledged(database: Database, s3: Buckets) -> None:
    cable = Cuttable(s3.endpoint)
    await cable.connect()
    settings = config(database, s3, s3_endpoint=cable.endpoint)
    body = form(TITLE, ("video", "a.mp4", clip(12 * MIB)))
    async with running(settings, s3) as ingest, ingest.client() as client:
        go_on = asyncio.Event()
        request = asyncio.create_task(
            client.post(
                UPLOAD,
                content=slowly(body, 7 * MIB, go_on),
                headers={"content-type": CONTENT_TYPE},
            )
        )
        await eventually(lambda: bool(ingest.unfinished()))
        await cable.cut()
        go_on.set()
        answer = await request
        assert problem(answer) == (503, "storage_unavailable")
        assert "retry-after" in answer.headers
        assert not [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
        again = await send(client, form(TITLE, ("video", "a.mp4", clip(1000))))
        assert problem(again) == (503, "storage_unavailable")

        await cable.connect()
        await ingest.age()

        async def is_swept() -> bool:
            # A round that meets a connection from before leaves the upload to a later one.
            await ingest.parts.sweep.round()
            return not ingest.unfinished() and not await ingest.rows()

        await eventually(is_swept)
        final = await send(client, body)
        assert final.status_code == 202
        await cable.cut()


@pytest.mark.parametrize("healed_by", ["sweep", "retry"])
async def test_dying_between_bucket_and_log_is_healed(ingest: Ingest, healed_by: str) -> None:
    content = clip(6 * MIB)
    body = form(TITLE, ("video", "a.mp4", content))
    events = ingest.parts.events
    store, events._store = events._store, ForgetfulStore(events._store, VideoUploaded)
    async with ingest.client() as client:
        answer = await send(client, body, idempotency_key="once")
        assert problem(answer) == (503, "log_unavailable")
        (row,) = await ingest.rows()
        assert row["phase"] == "completing"
        assert ingest.objects() == {f"{row['id']}/source": len(content)}
        events._store = store
        if healed_by == "sweep":
            await ingest.age()
            swept = await ingest.parts.sweep.round()
            assert swept.finished == 1
        answer = await send(client, body, idempotency_key="once")
    assert answer.status_code == 202
    assert answer.json()["data"]["job_id"] == str(row["id"])
    uploaded = [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert [event.video_id for event in uploaded] == [str(row["id"])]
    assert uploaded[0].sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("died", ["silently", "in mid-part"])
async def test_a_late_part_of_a_dead_writer_replaces_nothing(ingest: Ingest, died: str) -> None:
    content = clip(16 * MIB)
    parts, steps = ingest.parts, ingest.parts.steps
    upload = msgspec.structs.replace(
        steps.starter.new_upload("ann", "tus", Details(title="x")), length=len(content)
    )
    await steps.starter.start(upload)
    first = await parts.uploads.acquire(upload.id)
    body = Silence()
    async with steps.writers.writing(first, body) as writer:
        await writer.write(content[: 5 * MIB])
        await writer.flush()
        dead = await parts.uploads.get(upload.id)
        if died == "in mid-part":
            await writer.write(clip(5 * MIB, seed=1))
    if died == "silently":
        # Its row still says that it holds the upload.
        await ingest.store._pool.execute("update ingest.uploads set held = true")
    assert dead.received == 5 * MIB
    assert dead.multipart_id is not None

    second = await parts.uploads.acquire(upload.id)
    assert second.received == 5 * MIB
    async with steps.writers.writing(second, body) as writer:
        await writer.write(content[5 * MIB :])
        await writer.finish()
        # What the first one had sent, and what it was about to send, arrives only now.
        late = (dead.next_part, dead.next_part + 1)
        for number in late:
            data = clip(5 * MIB, seed=2)
            await parts.sources.put_part(dead.key, dead.multipart_id, number, data)
        # S3 replaces a part of the same number; other servers also keep the one before.
        counted = {part.number for part in await parts.uploads.parts(upload.id)}
        assert counted.isdisjoint(late)
        await steps.completer.begin(second, sha256=None, content_type="video/mp4")
    completed = await steps.completer.complete(upload.id)
    assert completed.phase == "completed"
    assert ingest.content(upload.id) == content


async def test_a_deleted_video_takes_its_source_along(ingest: Ingest, database: Database) -> None:
    async with ingest.client() as client:
        answer = await send(client, form(TITLE, ("video", "a.mp4", clip(9000))))
    video_id = answer.json()["data"]["job_id"]
    starter = ingest.parts.steps.starter
    pending = starter.new_upload("ann", "tus", Details(title="x"))
    await starter.start(pending)
    deleted = VideoDeleted(video_id=video_id, user_id="ann", deleted_by="ann")
    gone = UserDeleted(user_id="ann")
    async with open_event_store(database.admin_url) as others:
        await others.append(stream_id("video", video_id), 0, [NewEvent(deleted)], Metadata())
        await others.append(stream_id("user", "ann"), 0, [NewEvent(gone)], Metadata())
    relay = await asyncpg.connect(database.url("relay"))
    sequencer = Sequencer(relay)
    await sequencer.load()
    await sequencer.stamp()
    await relay.close()
    engine = ingest.parts.engine
    runner = ProjectionRunner(engine, ingest.store, PendingDeletions(timedelta(hours=1)), "ingest")
    await runner._applier.load()
    await runner.catch_up()
    swept = await ingest.parts.sweep.round()
    assert swept.removed == 0
    assert swept.expired == 1
    assert len(ingest.objects()) == 1, "its time on the list is not over"
    await ingest.store._pool.execute("update ingest.doomed_objects set due_at = now(), held = true")
    assert (await ingest.parts.sweep.round()).removed == 0
    await ingest.store._pool.execute("update ingest.doomed_objects set held = false")
    assert (await ingest.parts.sweep.round()).removed == 1
    assert ingest.objects() == {}
    assert isinstance((await ingest.events(pending.id))[-1], UploadExpired)


async def test_more_uploads_than_memory_allows_are_put_off(database: Database, s3: Buckets) -> None:
    body = form(TITLE, ("video", "a.mp4", clip(12 * MIB)))
    settings = config(database, s3, max_uploads_at_once=1)
    async with (
        running(settings, s3, StaticKeys()) as ingest,
        ingest.client() as client,
        ingest.client("bob") as other,
    ):
        go_on = asyncio.Event()
        first = asyncio.create_task(
            other.post(
                UPLOAD, content=slowly(body, MIB, go_on), headers={"content-type": CONTENT_TYPE}
            )
        )
        await eventually(lambda: ingest.parts.steps.slots.receiving == 1)
        second = await send(client, form(TITLE, ("video", "a.mp4", clip(100_000))))
        assert problem(second) == (503, "too_many_uploads")
        go_on.set()
        assert (await first).status_code == 202
