"""What the sweep ends, what it completes, and how long it is patient."""

from datetime import timedelta

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.ingest.details import Details
from services.ingest.handlers.sweep import Sweep, Swept
from services.ingest.sweep_repository import SweepRepository
from shared.contracts import (
    UploadExpired,
    UploadRejected,
    VideoUploaded,
    new_id,
)
from shared.loops.items import ItemMetrics
from tests.integration.ingest.harness import (
    Cuttable,
    Ingest,
    Silence,
    clip,
    config,
    running,
)
from tests.integration.ingest.tus_client import create, patch
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wait import eventually

MIB = 1024 * 1024


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


async def test_a_clock_that_is_set_back_holds_no_upload(ingest: Ingest) -> None:
    """As after a power loss, on a machine whose clock does not outlive it."""
    steps, parts = ingest.parts.steps, ingest.parts
    left = steps.starter.new_upload("ann", "multipart", Details(title="x"))
    await steps.starter.start(left)
    assert await parts.uploads.begin_ending(left.id, left.epoch)
    assert await parts.sweep.round() == Swept()
    await ingest.store._pool.execute(
        "update ingest.uploads set updated_at = updated_at + interval '1 day'"
    )
    assert (await parts.sweep.round()).removed == 1
    assert await ingest.rows() == []


@pytest.mark.parametrize("phase", ["open", "ending"])
async def test_a_row_older_than_the_log_takes_nothing_from_its_video(
    ingest: Ingest, phase: str
) -> None:
    """As after a restore: of a dump, and of what the archive has beyond it."""
    content, pool = clip(6 * MIB), ingest.store._pool
    async with ingest.client() as client:
        location = await create(client, len(content))
        await patch(client, location, 0, content[: 5 * MIB])
        dumped = await pool.fetchval(
            "select to_jsonb(u) || jsonb_build_object('phase', $1::text) from ingest.uploads u",
            phase,
        )
        assert (await patch(client, location, 5 * MIB, content[5 * MIB :])).status_code == 204
    (row,) = await ingest.rows()
    await pool.execute("delete from ingest.uploads")
    await pool.execute(
        "insert into ingest.uploads select * from jsonb_populate_record(null::ingest.uploads, $1)",
        dumped,
    )
    await ingest.age()

    swept = await ingest.parts.sweep.round()

    assert (swept.removed, swept.failed) == (1, 0)
    assert await ingest.rows() == []
    assert ingest.content(row["id"]) == content
    assert isinstance((await ingest.events(row["id"]))[-1], VideoUploaded)
