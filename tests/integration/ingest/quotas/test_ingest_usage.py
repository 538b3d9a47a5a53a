"""What the log says that accounts have stored and had planned."""

from collections.abc import Sequence

import asyncpg
import httpx
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.main import USAGE
from services.ingest.projections import PendingDeletions
from services.ingest.usage_projection import StoredUsage
from services.live.ingest_client import IngestClient
from shared.contracts import (
    CaptionsRemoved,
    CaptionsStored,
    CaptionTrack,
    Event,
    StoredObject,
    TranscodeCancelled,
    TranscodeFailed,
    VideoDeleted,
    new_id,
    stream_id,
)
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.refold import Refolder
from shared.event_store.projections.replay import Replay
from shared.event_store.store import SequencedEvent
from tests.integration.ingest.facts import planned, uploaded
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest, config, running
from tests.integration.ingest.quotas.quota_stage import (
    KIB,
    LIMITS,
    append_facts,
    catch_up,
    live_connected,
    live_published,
    send_form,
    usage_of,
)
from tests.support.buckets import Buckets
from tests.support.databases import Database


async def test_the_log_says_what_is_stored_and_planned(database: Database, ingest: Ingest) -> None:
    one, two = new_id(), new_id()
    deleted = VideoDeleted(video_id=one, user_id="ann", deleted_by="ann")
    await append_facts(
        database,
        [
            uploaded(one, "ann", 5000),
            uploaded(two, "ann", 700),
            planned(one, "ann", 9),
            (stream_id("video", one), deleted),
            planned(two, "ann", 1),
        ],
    )
    await catch_up(database)
    async with ingest.client() as client:
        usage = await usage_of(client)
        assert usage["bytes"]["used"] == 700
        assert usage["videos"]["used"] == 1
        assert usage["encode_minutes"] == {"used": 10, "allowed": 10}
        assert problem(await send_form(client, KIB)) == (403, "quota_exceeded")
    async with ingest.client("bob") as other:
        assert (await send_form(other, KIB)).status_code == 202


async def test_captions_count_with_their_video(database: Database, ingest: Ingest) -> None:
    video, lost = new_id(), new_id()
    stream = stream_id("video", video)
    track = CaptionTrack(
        language="en",
        kind="captions",
        label="English",
        object=StoredObject(key="k", size=300, sha256="00"),
    )
    small = msgspec.structs.replace(track.object, size=50)
    await append_facts(
        database,
        [
            uploaded(video, "ann", 1000),
            (stream, CaptionsStored(video_id=video, track=track)),
            (stream_id("video", lost), CaptionsStored(video_id=lost, track=track)),
        ],
    )
    await catch_up(database)
    async with ingest.client() as client:
        assert (await usage_of(client))["bytes"]["used"] == 1300
        again = msgspec.structs.replace(track, object=small)
        replaced = CaptionsStored(video_id=video, track=again, replaced_bytes=300)
        await append_facts(database, [(stream, replaced)])
        await catch_up(database)
        assert (await usage_of(client))["bytes"]["used"] == 1050
        removed = CaptionsRemoved(video_id=video, language="en", removed_bytes=50)
        await append_facts(database, [(stream, removed)])
        await catch_up(database)
        assert (await usage_of(client))["bytes"]["used"] == 1000
        stored = CaptionsStored(video_id=video, track=track)
        deleted = VideoDeleted(video_id=video, user_id="ann", deleted_by="ann")
        await append_facts(database, [(stream, stored), (stream, deleted)])
        await catch_up(database)
        usage = await usage_of(client)
        assert (usage["bytes"]["used"], usage["videos"]["used"]) == (0, 0)


async def test_what_is_deleted_makes_room_at_once(database: Database, ingest: Ingest) -> None:
    async with ingest.client() as client:
        video = (await send_form(client, 90 * KIB)).json()["data"]["job_id"]
        assert problem(await send_form(client, 90 * KIB)) == (403, "quota_exceeded")
        deleted = VideoDeleted(video_id=video, user_id="ann", deleted_by="ann")
        await append_facts(database, [(stream_id("video", video), deleted)])
        await catch_up(database)
        await catch_up(database, PendingDeletions())
        assert (await usage_of(client))["bytes"]["used"] == 0
        assert (await send_form(client, 90 * KIB)).status_code == 202


async def test_who_uploads_and_deletes_again_and_again_holds_no_more_than_twice_the_quota(
    database: Database, s3: Buckets
) -> None:
    async with (
        running(config(database, s3, **LIMITS, deleted_video_hours=0), s3) as at_once,
        running(config(database, s3, **LIMITS), s3) as ingest,
        ingest.client() as client,
    ):
        for _ in range(2):
            answer = await send_form(client, 60 * KIB)
            assert answer.status_code == 202, answer.text
            video = answer.json()["data"]["job_id"]
            deleted = VideoDeleted(video_id=video, user_id="ann", deleted_by="ann")
            await append_facts(database, [(stream_id("video", video), deleted)])
            await catch_up(database)
            await catch_up(database, PendingDeletions())
        usage = await usage_of(client)
        assert usage["bytes"] == {"used": 0, "allowed": 100 * KIB}
        assert usage["deleted_bytes"] == {"used": 120 * KIB, "allowed": 100 * KIB}
        refused = await send_form(client, KIB)
        assert problem(refused) == (403, "quota_exceeded")
        assert refused.json()["error"]["details"] == [
            {"field": "deleted_bytes", "message": "120 KiB used, 100 KiB allowed"}
        ]
        # A live is stored, too.
        async with httpx.AsyncClient(trust_env=False) as live:
            full = await IngestClient(live, ingest.url).refusal("ann", begins=True)
        assert full == (
            "The account has used its bytes of deleted videos that are still stored: "
            "120 KiB used, 100 KiB allowed."
        )
        # Listed for a day: they count there even where the delay is over.
        async with at_once.client() as waiting:
            assert (await usage_of(waiting))["deleted_bytes"]["used"] == 120 * KIB
        assert len(ingest.objects()) == 2
        await at_once.store._pool.execute("update ingest.doomed_objects set due_at = now()")
        assert (await at_once.parts.sweep.round()).removed == 2
        assert not ingest.objects()
        async with at_once.client() as free:
            assert (await usage_of(free))["deleted_bytes"]["used"] == 0
            assert (await send_form(free, KIB)).status_code == 202


async def test_minutes_of_what_failed_are_given_back_as_many_as_are_allowed(
    database: Database, s3: Buckets
) -> None:
    failing, again, cancelled, going_on = (new_id() for _ in range(4))

    def failed(video: str) -> tuple[str, Event]:
        event = TranscodeFailed(video_id=video, attempt=1, code="media.unreadable", reason="r")
        return stream_id("transcode", video), event

    given_up = TranscodeCancelled(video_id=cancelled, requested_by="ann")
    await append_facts(
        database,
        [
            planned(failing, "ann", 1000),
            failed(failing),
            # It was told twice.
            failed(failing),
            planned(again, "ann", 200),
            failed(again),
            planned(again, "ann", 200),
            planned(cancelled, "ann", 30),
            (stream_id("transcode", cancelled), given_up),
            failed(cancelled),
            planned(going_on, "ann", 4),
        ],
    )
    await catch_up(database)
    limits = LIMITS | {"quota_encode_minutes": 1404}
    async with running(config(database, s3, **limits), s3) as ingest, ingest.client() as client:
        assert (await usage_of(client))["encode_minutes"]["used"] == 234
        await append_facts(database, [failed(again), failed(going_on)])
        await catch_up(database)
        assert (await usage_of(client))["encode_minutes"]["used"] == 30
        # Who has costly videos fail again and again takes the machines away from others.
        last = new_id()
        await append_facts(database, [planned(last, "ann", 2000), failed(last)])
        await catch_up(database)
        assert (await usage_of(client))["encode_minutes"] == {"used": 2030, "allowed": 1404}
        assert problem(await send_form(client, KIB)) == (403, "quota_exceeded")


async def test_what_an_older_version_counted_is_counted_again(
    database: Database, ingest: Ingest
) -> None:
    """The older version keeps the sources of deleted videos."""
    videos = [new_id() for _ in range(4)]
    facts = [uploaded(video, f"user-{n % 2}", 100 + n) for n, video in enumerate(videos)]
    deleted = VideoDeleted(video_id=videos[0], user_id="user-0", deleted_by="user-0")
    await append_facts(database, [*facts, (stream_id("video", videos[0]), deleted)])

    class Older(StoredUsage):
        fold = StoredUsage.fold - 1

        async def apply(
            self, connection: AsyncConnection, events: Sequence[SequencedEvent]
        ) -> None:
            kept = [event for event in events if not isinstance(event.data, VideoDeleted)]
            await super().apply(connection, kept)

    await catch_up(database, Older())
    sums = "select user_id, videos, bytes from ingest.stored_sums order by 1"
    admin = await asyncpg.connect(database.admin_url)
    assert [tuple(row) for row in await admin.fetch(sums)] == [
        ("user-0", 2, 202),
        ("user-1", 2, 204),
    ]
    await catch_up(database)
    engine = create_engine(database.url("ingest"), size=2)
    async with open_event_store(database.url("ingest")) as store:
        refolder = Refolder(engine, store, StoredUsage(), "ingest")
        while await refolder.round():
            pass
    await engine.dispose()
    assert [tuple(row) for row in await admin.fetch(sums)] == [
        ("user-0", 1, 102),
        ("user-1", 2, 204),
    ]
    await admin.close()
    owner = create_engine(database.admin_url, size=3, answer_seconds=None)
    async with open_event_store(database.admin_url, connections=2) as store:
        found = await Replay(owner, store, USAGE).run(swap=False)
    await owner.dispose()
    assert not any(found.differing.values())


async def test_a_rebuild_comes_to_the_same(database: Database, ingest: Ingest) -> None:
    videos = [new_id() for _ in range(5)]
    facts = [uploaded(video, f"user-{n % 2}", 100 + n) for n, video in enumerate(videos)]
    lives = [live_connected("l1", "user-0"), live_published("l1", 0, 100, 200)]
    await append_facts(database, [*facts, *lives, planned(videos[0], "user-0", 3)])
    await catch_up(database)
    admin = await asyncpg.connect(database.admin_url)
    before = await admin.fetch("select * from ingest.stored_sums order by 1")
    assert [tuple(row) for row in before] == [
        *(("user-0", 4, 606, 1, 300), ("user-1", 2, 204, 0, 0)),
    ]
    await admin.execute("update ingest.stored_sums set bytes = 1 where user_id = 'user-1'")
    engine = create_engine(database.admin_url, size=3, answer_seconds=None)
    async with open_event_store(database.admin_url, connections=2) as store:
        found = await Replay(engine, store, USAGE).run(swap=False)
        assert found.differing["stored_sums"] == ["user-1"]
        assert (await Replay(engine, store, USAGE).run(swap=True)).swapped
    await engine.dispose()
    assert await admin.fetch("select * from ingest.stored_sums order by 1") == before
    assert await admin.fetchval("select ms from ingest.planned_days") == 180_000
    await admin.close()
