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
from prometheus_client import CollectorRegistry

from services.ingest.details import Details
from services.ingest.handlers.sweep import Sweep
from services.ingest.projections import PendingDeletions
from services.ingest.sweep_repository import SweepRepository
from shared.contracts import (
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    UserDeleted,
    VideoDeleted,
    VideoUploaded,
    new_id,
    stream_id,
)
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from shared.loops.items import ItemMetrics
from tests.integration.ingest.forms import BOUNDARY, CONTENT_TYPE, UPLOAD, form, problem, send
from tests.integration.ingest.harness import (
    Cuttable,
    ForgetfulStore,
    Ingest,
    StaticKeys,
    clip,
    config,
    running,
)
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.processes import working
from tests.support.wait import eventually

TITLE = ("title", None, b"A title")
MIB = 1024 * 1024


async def slowly(body: bytes, cut: int, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    """The body up to ``cut``; the rest when told to."""
    yield body[:cut]
    await go_on.wait()
    yield body[cut:]


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


async def test_a_key_answers_the_same_request_the_same_way(ingest: Ingest) -> None:
    content = clip(6 * MIB)
    body = form(TITLE, ("video", "a.mp4", content))
    async with ingest.client() as client:
        first = await send(client, body, idempotency_key="k-1")
        again = await send(client, body, idempotency_key="k-1")
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert first.headers["location"] == again.headers["location"]
        for other in (
            form(("title", None, b"Another"), ("video", "a.mp4", content)),
            form(TITLE, ("video", "a.mp4", content[:-1] + b"!")),
            form(TITLE, ("video", "a.mp4", content + b"!")),
        ):
            answer = await send(client, other, idempotency_key="k-1")
            assert problem(answer) == (409, "idempotency_key_reused")
        bad = await send(client, body, idempotency_key="k" * 256)
        assert problem(bad) == (400, "invalid_input")
    async with ingest.client("bob") as client:
        foreign = await send(client, body, idempotency_key="k-1")
        assert foreign.status_code == 202
        assert foreign.json() != first.json()
    assert len(ingest.objects()) == 2


async def test_a_refused_request_does_not_use_up_its_key(ingest: Ingest) -> None:
    async with ingest.client() as client:
        bad = await send(client, form(TITLE, ("video", "a", b"text")), idempotency_key="k")
        good = await send(client, form(TITLE, ("video", "a", clip(9000))), idempotency_key="k")
    assert (bad.status_code, good.status_code) == (400, 202)


async def test_a_retry_replaces_the_request_that_still_hangs(ingest: Ingest) -> None:
    body = form(TITLE, ("video", "a.mp4", clip(12 * MIB)))
    async with ingest.client() as client:
        hanging = asyncio.create_task(
            client.post(
                UPLOAD,
                content=slowly(body, 7 * MIB, asyncio.Event()),
                headers={"content-type": CONTENT_TYPE, "idempotency-key": "k"},
            )
        )
        await eventually(lambda: bool(ingest.unfinished()))
        async with working(ingest.process):
            answer = await send(client, body, idempotency_key="k")
        assert answer.status_code == 202, answer.text
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
    uploaded = [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert len(uploaded) == 1
    assert list(ingest.objects()) == [uploaded[0].source_key]


async def test_a_retry_does_not_wait_for_the_sweep(ingest: Ingest) -> None:
    """Its predecessor's process died, and its time is over."""
    starter = ingest.parts.steps.starter
    dead = starter.new_upload("ann", "multipart", Details(title="x"), idempotency_key="k")
    await starter.start(dead)
    await ingest.age(dead.id)
    async with ingest.client() as client:
        answer = await send(
            client, form(TITLE, ("video", "a.mp4", clip(9000))), idempotency_key="k"
        )
    assert answer.status_code == 202, answer.text
    assert isinstance((await ingest.events(dead.id))[-1], UploadExpired)
    (row,) = await ingest.rows()
    assert str(row["id"]) == answer.json()["data"]["job_id"]


async def test_two_at_once_with_one_key_make_one_video(ingest: Ingest) -> None:
    body = form(TITLE, ("video", "a.mp4", clip(6 * MIB)))
    async with ingest.client() as client:
        answers = await asyncio.gather(*(send(client, body, idempotency_key="k") for _ in range(3)))
    statuses = [answer.status_code for answer in answers]
    assert 202 in statuses
    assert set(statuses) <= {202, 409}
    jobs = {a.json()["data"]["job_id"] for a in answers if a.status_code == 202}
    uploaded = [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert {event.video_id for event in uploaded} == jobs
    assert len(uploaded) == 1
    assert list(ingest.objects()) == [uploaded[0].source_key]


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


class Silence:
    """An empty request body."""

    length = 0

    def interrupt(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for nothing in ():
            yield nothing


async def test_dead_uploads_expire_and_orphans_are_aborted(ingest: Ingest) -> None:
    parts, starter = ingest.parts, ingest.parts.steps.starter
    dead = starter.new_upload("ann", "multipart", Details(title="x"))
    await starter.start(dead)
    multipart_id = await parts.sources.start_multipart(dead.key, "video/mp4")
    await parts.uploads.set_multipart(dead.id, 0, multipart_id)
    await parts.sources.put_part(dead.key, multipart_id, 1, clip(5 * MIB))
    await parts.sources.start_multipart(f"{new_id()}/source", "video/mp4")
    await parts.sources.put(f"tails/{new_id()}/1-9", b"x", "application/octet-stream")
    assert (await ingest.parts.sweep.round()).expired == 0

    await ingest.age(dead.id)
    assert (await ingest.parts.sweep.round()).expired == 1
    assert isinstance((await ingest.events(dead.id))[-1], UploadExpired)
    assert await ingest.rows() == []
    assert len(ingest.unfinished()) == 1

    assert await ingest.parts.sweep.orphans() == []
    later = Sweep(
        parts.steps,
        parts.events,
        SweepRepository(parts.engine, timedelta(hours=24)),
        parts.sources,
        metrics=ItemMetrics(CollectorRegistry()),
        orphan_age=timedelta(seconds=-60),
    )
    assert len(await later.orphans()) == 2
    assert ingest.unfinished() == []
    assert ingest.objects() == {}


async def test_what_can_never_be_joined_is_given_up(ingest: Ingest) -> None:
    steps = ingest.parts.steps
    lost = steps.starter.new_upload("ann", "multipart", Details(title="x"))
    await steps.starter.start(lost)
    await steps.completer.begin(lost, sha256=None, content_type="video/mp4")
    await ingest.age(lost.id)
    assert (await ingest.parts.sweep.round()).failed == 1
    await ingest.store._pool.execute(
        "update ingest.uploads set created_at = created_at - interval '4 days'"
    )
    await ingest.age(lost.id)
    assert (await ingest.parts.sweep.round()).removed == 1
    ended = (await ingest.events(lost.id))[-1]
    assert isinstance(ended, UploadRejected)
    assert ended.code == "incomplete_object"
    assert await ingest.rows() == []


async def test_what_took_days_to_arrive_outlives_an_outage_at_its_end(
    database: Database, s3: Buckets
) -> None:
    cable = Cuttable(s3.endpoint)
    await cable.connect()
    content = clip(6 * MIB)
    settings = config(database, s3, s3_endpoint=cable.endpoint)
    async with running(settings, s3) as ingest:
        steps, parts = ingest.parts.steps, ingest.parts
        upload = msgspec.structs.replace(
            steps.starter.new_upload("ann", "tus", Details(title="x")), length=len(content)
        )
        await steps.starter.start(upload)
        await ingest.store._pool.execute(
            "update ingest.uploads set created_at = created_at - interval '4 days'"
        )
        taken = await parts.uploads.acquire(upload.id)
        async with steps.writers.writing(taken, Silence()) as writer:
            await writer.write(content)
            await writer.finish()
            await steps.completer.begin(taken, sha256=None, content_type="video/mp4")
        await cable.cut()
        left = "update ingest.uploads set updated_at = updated_at - interval '1 minute'"
        await ingest.store._pool.execute(left)
        swept = await parts.sweep.round()
        assert (swept.failed, swept.removed) == (1, 0)
        (row,) = await ingest.rows()
        assert row["phase"] == "completing"

        await cable.connect()

        async def is_finished() -> bool:
            # A round that meets a connection from before leaves the upload to a later one.
            await ingest.store._pool.execute(left)
            return (await parts.sweep.round()).finished == 1

        await eventually(is_finished)
        assert ingest.content(upload.id) == content
        await cable.cut()


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
