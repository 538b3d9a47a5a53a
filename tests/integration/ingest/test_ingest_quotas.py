"""Quotas: no account stores, opens or plans more than it is allowed, however it asks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.main import USAGE
from services.ingest.projections import PendingDeletions
from services.ingest.usage_projection import StoredUsage
from services.live.ingest_client import IngestClient
from shared.contracts import (
    EncodedTrack,
    Event,
    LiveConnected,
    LiveEnded,
    LivePublished,
    Segment,
    SourceFacts,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    VideoDeleted,
    new_id,
    stream_id,
)
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.event_applier import Projection
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.refold import Refolder
from shared.event_store.projections.replay import Replay
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent, SequencedEvent
from tests.integration.ingest.facts import uploaded
from tests.integration.ingest.forms import form, problem, send
from tests.integration.ingest.harness import Ingest, clip, config, running
from tests.support.buckets import Buckets
from tests.support.databases import Database

_KIB = 1024
_UPLOADS = "/api/v1/uploads"
_USAGE = "/api/v1/users/me/usage"
_TUS = {"tus-resumable": "1.0.0"}
_TITLE = {"upload-metadata": "title QSB0aXRsZQ=="}
_LIMITS = {
    "quota_bytes": 100 * _KIB,
    "quota_videos": 6,
    "quota_open_uploads": 4,
    "quota_encode_minutes": 10,
}


@pytest.fixture
async def ingest(database: Database, s3: Buckets) -> AsyncIterator[Ingest]:
    async with running(config(database, s3, **_LIMITS), s3) as started:
        yield started


async def _open(client: httpx.AsyncClient, length: int | None, **headers: str) -> httpx.Response:
    size = {"upload-defer-length": "1"} if length is None else {"upload-length": str(length)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(_UPLOADS, headers=_TUS | _TITLE | size | named)


async def _form(client: httpx.AsyncClient, size: int) -> httpx.Response:
    return await send(client, form(("title", None, b"A"), ("video", "a.mp4", clip(size))))


async def _usage(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(_USAGE)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_many_uploads_at_once_open_no_more_than_allowed(ingest: Ingest) -> None:
    async with ingest.client() as client:
        answers = await asyncio.gather(*(_open(client, 10) for _ in range(30)))
        assert sorted(answer.status_code for answer in answers) == [201] * 4 + [403] * 26
        refused = next(answer for answer in answers if answer.status_code == 403)
        assert problem(refused) == (403, "quota_exceeded")
        assert refused.json()["error"]["details"] == [
            {"field": "open_uploads", "message": "4 used, 4 allowed"}
        ]
        assert (await _usage(client))["open_uploads"] == {"used": 4, "allowed": 4}
        # What is given up makes room.
        opened = next(answer for answer in answers if answer.status_code == 201)
        await client.delete(opened.headers["location"], headers=_TUS)
        assert (await _open(client, 10)).status_code == 201
    async with ingest.client("bob") as other:
        assert (await _open(other, 10)).status_code == 201


async def test_lengths_of_open_uploads_count_as_stored(ingest: Ingest) -> None:
    async with ingest.client() as client:
        assert (await _open(client, 60 * _KIB)).status_code == 201
        assert problem(await _open(client, 60 * _KIB)) == (403, "quota_exceeded")
        direct = {"title": "A", "size": 60 * _KIB}
        answer = await client.post(f"{_UPLOADS}/direct", json=direct)
        assert problem(answer) == (403, "quota_exceeded")
        # A form's size is known at its end.
        assert problem(await _form(client, 60 * _KIB)) == (403, "quota_exceeded")
        assert (await _form(client, 30 * _KIB)).status_code == 202
        assert (await _usage(client))["bytes"] == {"used": 90 * _KIB, "allowed": 100 * _KIB}
    assert sorted(ingest.objects().values()) == [30 * _KIB]


async def test_a_length_that_is_said_later_counts(ingest: Ingest) -> None:
    async with ingest.client() as client:
        address = (await _open(client, None)).headers["location"]
        stream = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}
        too_long = stream | {"upload-length": str(200 * _KIB)}
        answer = await client.patch(address, content=b"", headers=_TUS | too_long)
        assert problem(answer) == (403, "quota_exceeded")
        fitting = stream | {"upload-length": str(50 * _KIB)}
        content = clip(50 * _KIB)
        answer = await client.patch(address, content=content, headers=_TUS | fitting)
        assert answer.status_code == 204


async def test_parts_are_joined_once(ingest: Ingest) -> None:
    async with ingest.client() as client:
        made = await _open(client, 10 * _KIB, upload_concat="partial")
        part = made.headers["location"]
        stream = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}
        await client.patch(part, content=clip(10 * _KIB), headers=_TUS | stream)
        assert (await _usage(client))["bytes"]["used"] == 10 * _KIB

        async def join(*parts: str) -> httpx.Response:
            joined = {"upload-concat": f"final;{' '.join(parts)}"}
            return await client.post(_UPLOADS, headers=_TUS | _TITLE | joined)

        assert (await join(*[part] * 50)).status_code == 400
        assert (await join(part)).status_code == 201
        assert (await join(part)).status_code == 404
        usage = await _usage(client)
        assert usage["bytes"]["used"] == 10 * _KIB
        assert (usage["videos"]["used"], usage["open_uploads"]["used"]) == (1, 0)


async def test_videos_are_counted_while_they_areuploaded(ingest: Ingest) -> None:
    async with ingest.client() as client:
        answers = await asyncio.gather(*(_form(client, _KIB) for _ in range(9)))
        assert sorted(answer.status_code for answer in answers) == [202] * 6 + [403] * 3
        assert (await _usage(client))["videos"] == {"used": 6, "allowed": 6}


async def test_usage_needs_a_login(ingest: Ingest) -> None:
    async with ingest.client(None) as nobody:
        assert (await nobody.get(_USAGE)).status_code == 401


async def test_operators_trust_accounts_with_more(database: Database, ingest: Ingest) -> None:
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute("insert into ingest.account_roles values ('ann', 'trusted')")
    await admin.close()
    async with ingest.client() as client:
        assert (await _usage(client))["bytes"]["allowed"] == 1000 * _KIB
        assert (await _open(client, 500 * _KIB)).status_code == 201


async def _facts(database: Database, facts: list[tuple[str, Event]]) -> None:
    """Put facts into the log, with positions."""
    versions: dict[str, int] = {}
    async with open_event_store(database.admin_url) as store:
        for stream, event in facts:
            version = versions.get(stream, 0)
            versions[stream] = await store.append(stream, version, [NewEvent(event)], Metadata())
    relay = await asyncpg.connect(database.url("relay"))
    sequencer = Sequencer(relay)
    await sequencer.load()
    while await sequencer.stamp():
        pass
    await relay.close()


async def _facts_after(database: Database, facts: dict[str, tuple[str, Event]]) -> None:
    """Put further facts behind those that their streams have."""
    async with open_event_store(database.admin_url) as store:
        for stream, event in facts.values():
            version = len(await store.read_stream(stream))
            await store.append(stream, version, [NewEvent(event)], Metadata())
    relay = await asyncpg.connect(database.url("relay"))
    sequencer = Sequencer(relay)
    await sequencer.load()
    while await sequencer.stamp():
        pass
    await relay.close()


async def _catch_up(database: Database, projection: Projection | None = None) -> None:
    engine = create_engine(database.url("ingest"), size=2)
    async with open_event_store(database.url("ingest")) as store:
        runner = ProjectionRunner(engine, store, projection or StoredUsage(), "ingest")
        await runner._applier.load()
        await runner.catch_up()
    await engine.dispose()


def _planned(video: str, user: str, minutes: int) -> tuple[str, Event]:
    planned = TranscodePlanned(
        video_id=video,
        user_id=user,
        attempt=1,
        prefix=f"{video}/1/",
        source=SourceFacts(container="mp4", duration_ms=minutes * 60_000, size=1),
        renditions=(),
        chunks=(),
        audio=(),
        segment_ms=4000,
        encoder="x",
        worker="w",
    )
    return stream_id("transcode", video), planned


async def test_the_log_says_what_is_stored_and_planned(database: Database, ingest: Ingest) -> None:
    one, two = new_id(), new_id()
    deleted = VideoDeleted(video_id=one, user_id="ann", deleted_by="ann")
    await _facts(
        database,
        [
            uploaded(one, "ann", 5000),
            uploaded(two, "ann", 700),
            _planned(one, "ann", 9),
            (stream_id("video", one), deleted),
            _planned(two, "ann", 1),
        ],
    )
    await _catch_up(database)
    async with ingest.client() as client:
        usage = await _usage(client)
        assert usage["bytes"]["used"] == 700
        assert usage["videos"]["used"] == 1
        assert usage["encode_minutes"] == {"used": 10, "allowed": 10}
        assert problem(await _form(client, _KIB)) == (403, "quota_exceeded")
    async with ingest.client("bob") as other:
        assert (await _form(other, _KIB)).status_code == 202


async def test_what_is_deleted_makes_room_at_once(database: Database, ingest: Ingest) -> None:
    async with ingest.client() as client:
        video = (await _form(client, 90 * _KIB)).json()["data"]["job_id"]
        assert problem(await _form(client, 90 * _KIB)) == (403, "quota_exceeded")
        deleted = VideoDeleted(video_id=video, user_id="ann", deleted_by="ann")
        await _facts_after(database, {video: (stream_id("video", video), deleted)})
        await _catch_up(database)
        await _catch_up(database, PendingDeletions())
        assert (await _usage(client))["bytes"]["used"] == 0
        assert (await _form(client, 90 * _KIB)).status_code == 202


async def test_who_uploads_and_deletes_again_and_again_holds_no_more_than_twice_the_quota(
    database: Database, s3: Buckets
) -> None:
    async with (
        running(config(database, s3, **_LIMITS, deleted_video_hours=0), s3) as at_once,
        running(config(database, s3, **_LIMITS), s3) as ingest,
        ingest.client() as client,
    ):
        for _ in range(2):
            answer = await _form(client, 60 * _KIB)
            assert answer.status_code == 202, answer.text
            video = answer.json()["data"]["job_id"]
            deleted = VideoDeleted(video_id=video, user_id="ann", deleted_by="ann")
            await _facts_after(database, {video: (stream_id("video", video), deleted)})
            await _catch_up(database)
            await _catch_up(database, PendingDeletions())
        usage = await _usage(client)
        assert usage["bytes"] == {"used": 0, "allowed": 100 * _KIB}
        assert usage["deleted_bytes"] == {"used": 120 * _KIB, "allowed": 100 * _KIB}
        refused = await _form(client, _KIB)
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
            assert (await _usage(waiting))["deleted_bytes"]["used"] == 120 * _KIB
        assert len(ingest.objects()) == 2
        await at_once.store._pool.execute("update ingest.doomed_objects set due_at = now()")
        assert (await at_once.parts.sweep.round()).removed == 2
        assert not ingest.objects()
        async with at_once.client() as free:
            assert (await _usage(free))["deleted_bytes"]["used"] == 0
            assert (await _form(free, _KIB)).status_code == 202


async def test_minutes_of_what_failed_are_given_back_as_many_as_are_allowed(
    database: Database, s3: Buckets
) -> None:
    failing, again, cancelled, going_on = (new_id() for _ in range(4))

    def failed(video: str) -> tuple[str, Event]:
        event = TranscodeFailed(video_id=video, attempt=1, code="media.unreadable", reason="r")
        return stream_id("transcode", video), event

    given_up = TranscodeCancelled(video_id=cancelled, requested_by="ann")
    await _facts(
        database,
        [
            _planned(failing, "ann", 1000),
            failed(failing),
            # It was told twice.
            failed(failing),
            _planned(again, "ann", 200),
            failed(again),
            _planned(again, "ann", 200),
            _planned(cancelled, "ann", 30),
            (stream_id("transcode", cancelled), given_up),
            failed(cancelled),
            _planned(going_on, "ann", 4),
        ],
    )
    await _catch_up(database)
    limits = _LIMITS | {"quota_encode_minutes": 1404}
    async with running(config(database, s3, **limits), s3) as ingest, ingest.client() as client:
        assert (await _usage(client))["encode_minutes"]["used"] == 234
        await _facts_after(database, {again: failed(again), going_on: failed(going_on)})
        await _catch_up(database)
        assert (await _usage(client))["encode_minutes"]["used"] == 30
        # Who has costly videos fail again and again takes the machines away from others.
        last = new_id()
        await _facts(database, [_planned(last, "ann", 2000), failed(last)])
        await _catch_up(database)
        assert (await _usage(client))["encode_minutes"] == {"used": 2030, "allowed": 1404}
        assert problem(await _form(client, _KIB)) == (403, "quota_exceeded")


def _connected(video: str, user: str, *, record: bool = True) -> tuple[str, Event]:
    connected = LiveConnected(
        video_id=_uuid(video),
        live_id="live",
        user_id=user,
        epoch=1,
        protocol="rtmp",
        title="A live",
        description="",
        visibility="public",
        latency="low",
        replica="one",
        record=record,
    )
    return _session(video), connected


def _published(video: str, first: int, *sizes: int) -> tuple[str, Event]:
    """A batch of a single track."""
    track = EncodedTrack(
        name="top",
        timescale=1000,
        codecs="avc1",
        init_key="init.mp4",
        init_sha256="00",
        segments=tuple(
            Segment(index=first + at, start=0, duration=2000, size=size)
            for at, size in enumerate(sizes)
        ),
    )
    batch = LivePublished(
        video_id=_uuid(video),
        epoch=1,
        first_segment=first,
        started_at=datetime(2030, 1, 2, tzinfo=UTC),
        tracks=(track,),
    )
    return _session(video), batch


def _ended(video: str, user: str) -> tuple[str, Event]:
    ended = LiveEnded(video_id=_uuid(video), live_id="live", user_id=user, reason="over")
    return _session(video), ended


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def _session(name: str) -> str:
    return stream_id("livesession", _uuid(name))


async def test_segments_of_lives_count_as_stored(database: Database, ingest: Ingest) -> None:
    await _facts(
        database,
        [
            _connected("kept", "ann"),
            _published("kept", 0, 30 * _KIB),
            _connected("empty", "ann"),
            _connected("thrown away", "ann", record=False),
            _published("thrown away", 0, 5 * _KIB),
            _connected("running", "ann"),
            _published("running", 0, 20 * _KIB, 10 * _KIB),
            _ended("empty", "ann"),
            _ended("thrown away", "ann"),
            # Its owner's last segments.
            _published("thrown away", 1, _KIB),
            _ended("kept", "ann"),
            _published("kept", 1, 10 * _KIB),
        ],
    )
    await _catch_up(database)
    async with ingest.client() as client:
        usage = await _usage(client)
        assert usage["bytes"] == {"used": 70 * _KIB, "allowed": 100 * _KIB}
        assert usage["videos"] == {"used": 2, "allowed": 6}
        assert usage["lives"] == {"used": 2, "allowed": None}
        assert usage["live_bytes"] == {"used": 70 * _KIB, "allowed": None}
        assert problem(await _form(client, 40 * _KIB)) == (403, "quota_exceeded")
        kept = VideoDeleted(video_id=_uuid("kept"), user_id="ann", deleted_by="ann")
        await _facts_after(database, {"kept": (stream_id("video", _uuid("kept")), kept)})
        await _catch_up(database)
        usage = await _usage(client)
        assert usage["bytes"]["used"] == usage["live_bytes"]["used"] == 30 * _KIB
        assert usage["deleted_bytes"]["used"] == 40 * _KIB
        assert (await _form(client, 40 * _KIB)).status_code == 202


async def test_live_is_told_that_an_account_is_full(database: Database, ingest: Ingest) -> None:
    async def refusal(user_id: str, *, begins: bool, url: str = ingest.url) -> str | None:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await IngestClient(client, url).refusal(user_id, begins=begins)

    assert await refusal("ann", begins=True) is None
    lives = [_connected(name, "ann") for name in "abcdef"]
    await _facts(database, [*lives, *(_published(name, 0, _KIB) for name in "abcdef")])
    await _catch_up(database)
    # As many videos as it may have: what runs goes on.
    assert await refusal("ann", begins=True) == (
        "The account has used its videos: 6 used, 6 allowed."
    )
    assert await refusal("ann", begins=False) is None
    await _facts_after(database, {"a": _published("a", 1, 94 * _KIB)})
    await _catch_up(database)
    assert await refusal("ann", begins=False) == (
        "The account has used its stored bytes: 100 KiB used, 100 KiB allowed."
    )
    assert await refusal("bob", begins=True) is None
    # No live ends because ingest is away.
    assert await refusal("ann", begins=False, url="http://127.0.0.1:9") is None


async def test_what_an_older_version_counted_is_counted_again(
    database: Database, ingest: Ingest
) -> None:
    """The older version keeps the sources of deleted videos."""
    videos = [new_id() for _ in range(4)]
    facts = [uploaded(video, f"user-{n % 2}", 100 + n) for n, video in enumerate(videos)]
    deleted = VideoDeleted(video_id=videos[0], user_id="user-0", deleted_by="user-0")
    await _facts(database, [*facts, (stream_id("video", videos[0]), deleted)])

    class Older(StoredUsage):
        fold = StoredUsage.fold - 1

        async def apply(
            self, connection: AsyncConnection, events: Sequence[SequencedEvent]
        ) -> None:
            kept = [event for event in events if not isinstance(event.data, VideoDeleted)]
            await super().apply(connection, kept)

    await _catch_up(database, Older())
    sums = "select user_id, videos, bytes from ingest.stored_sums order by 1"
    admin = await asyncpg.connect(database.admin_url)
    assert [tuple(row) for row in await admin.fetch(sums)] == [
        ("user-0", 2, 202),
        ("user-1", 2, 204),
    ]
    await _catch_up(database)
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
    lives = [_connected("l1", "user-0"), _published("l1", 0, 100, 200)]
    await _facts(database, [*facts, *lives, _planned(videos[0], "user-0", 3)])
    await _catch_up(database)
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


async def test_the_minutes_of_a_recorded_live_are_counted_once(
    database: Database, ingest: Ingest
) -> None:
    """When its video is planned; what was encoded while it ran is not counted."""
    video = _uuid("live")
    completed = TranscodeCompleted(
        video_id=video,
        attempt=1,
        playlist_key="master.m3u8",
        duration_ms=180_000,
        width=640,
        height=360,
        renditions=(),
        size=5 * _KIB,
    )
    live = [_connected("live", "ann"), _published("live", 0, _KIB), _ended("live", "ann")]
    await _facts(database, live)
    await _catch_up(database)
    async with ingest.client() as client:
        assert (await _usage(client))["encode_minutes"]["used"] == 0
        transcode = [_planned(video, "ann", 3), (stream_id("transcode", video), completed)]
        await _facts(database, transcode)
        await _catch_up(database)
        assert (await _usage(client))["encode_minutes"]["used"] == 3
        assert (await _usage(client))["bytes"]["used"] == _KIB
