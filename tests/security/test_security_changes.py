"""One account cannot make the log grow without end."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.auth import event_outbox
from shared.contracts import (
    EVENT_TYPES,
    DetailsChanged,
    Event,
    VideoDeleted,
    ViewsCounted,
    stream_id,
)
from shared.event_store import changes
from shared.event_store.changes import COUNTED, TooManyChanges, count_changes
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.store import Metadata, NewEvent
from tests.integration.ingest.forms import form, problem, send
from tests.integration.ingest.harness import clip, config, running
from tests.integration.ingest.tus_client import FILM, TUS, UPLOADS
from tests.support.auth_stage import Stage, data
from tests.support.buckets import Buckets
from tests.support.databases import Database

TOO_MANY = (429, "too_many_changes")
# Events that are not counted, and why they cannot be made without end.
BOUNDED = {
    # Once for each account, session, upload, video, live stream, time of a planned live or attempt.
    *("UserRegistered", "SessionRevoked", "UserDeleted", "VideoUploaded", "UploadExpired"),
    *("UploadAborted", "UploadRejected", "VideoDeleted", "LiveStreamDeleted", "TranscodeCancelled"),
    *("SimulcastTargetDeleted", "LiveStreamDisabled", "LiveSessionClosed", "LiveConnected"),
    *("LiveDisconnected", "LiveEnded", "LiveRecorded"),
    *("LiveScheduleCancelled", "LiveStartsSoon", "LiveScheduleMet"),
    # Auth counts them, in the stream of the account.
    *("EmailChanged", "PasswordChanged", "DefaultVisibilityChanged"),
    # What a live's time and MAX_CLIPS_PER_DAY bound.
    *("LivePublished", "LivePosterMade", "SimulcastStateChanged", "LiveClipMade"),
    # What follows from an attempt, and repairs that nobody asks for.
    *("TranscodePlanned", "TranscodeProgressed", "ChunkEncoded", "AudioEncoded"),
    *("ThumbnailsCreated", "VideoPlayable", "TranscodeCompleted", "TranscodeFailed"),
    *("MediaLost", "MediaRestored", "MediaRepairFailed", "MediaCompacted"),
    # Once for each compaction, and where its index was lost.
    "DownloadsMade",
    "CaptionsExtracted",
    # Once, and again after each VideoRestored.
    "VideoBinned",
    # At most one every few seconds for each video.
    "ViewsCounted",
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PER_DAY", 5)
    monkeypatch.setattr(event_outbox, "CHANGES_PER_DAY", 3)


async def change(
    store: PostgresEventStore, video: str, actor: str | None, event: Event | None = None
) -> None:
    event = event or DetailsChanged(video_id=video, title="A", description="")
    await store.append(stream_id("video", video), 0, [NewEvent(event)], Metadata(actor=actor))


def test_every_kind_of_event_is_counted_or_bounded() -> None:
    counted = {kind.__name__ for kind in COUNTED}
    assert counted | BOUNDED == set(EVENT_TYPES)
    assert not counted & BOUNDED


async def test_changes_of_many_videos_at_once_count_together(database: Database) -> None:
    async with (
        open_event_store(database.url("catalog")) as one,
        open_event_store(database.url("catalog")) as other,
    ):
        outcomes = await asyncio.gather(
            *(change([one, other][n % 2], f"v{n}", "ann") for n in range(50)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if outcome is not None]
        assert len(refused) == 45
        assert all(isinstance(outcome, TooManyChanges) for outcome in refused)
        # Others, what ends something, and what nobody has asked for.
        await change(one, "b", "bob")
        await change(one, "d", "ann", VideoDeleted(video_id="d", user_id="ann", deleted_by="ann"))
        await change(one, "w", None, ViewsCounted(video_id="w", count=1, batch_id="b"))
        assert (await one.latest()) is not None
    owner = await asyncpg.connect(database.admin_url)
    assert await owner.fetchval("select count(*) from log.events") == 8
    await owner.close()


async def test_the_next_day_begins_anew_and_the_one_before_is_forgotten(
    database: Database,
) -> None:
    now = datetime(2030, 1, 2, 18, tzinfo=UTC)
    event = DetailsChanged(video_id="v", title="A", description="")
    async with asyncpg.create_pool(database.url("catalog"), min_size=1, max_size=1) as pool:
        for _ in range(5):
            await count_changes(pool, "ann", [event], now)
        with pytest.raises(TooManyChanges) as raised:
            await count_changes(pool, "ann", [event], now)
        assert raised.value.retry_after == 6 * 3600
        assert raised.value.details[0].message == "5 used, 5 allowed"
        await count_changes(pool, "ann", [event], now + timedelta(hours=6))
        rows = await pool.fetch("select day, changes from log.changes")
        assert [tuple(row) for row in rows] == [(datetime(2030, 1, 3, tzinfo=UTC).date(), 1)]


async def test_a_refused_upload_leaves_nothing(database: Database, s3: Buckets) -> None:
    async with running(config(database, s3), s3) as ingest, ingest.client() as client:
        body = form(("title", None, b"A"), ("video", "a.mp4", clip(2000)))
        for _ in range(5):
            assert (await send(client, body)).status_code == 202
        refused = await send(client, body)
        assert problem(refused) == TOO_MANY
        assert int(refused.headers["retry-after"]) > 0
        size = {"upload-length": "2000"}
        assert problem(await client.post(UPLOADS, headers=TUS | FILM | size)) == TOO_MANY
        assert len(await ingest.rows()) == len(ingest.objects()) == 5
        types = {type(event).__name__ for event in await ingest.all_events()}
        assert types == {"UploadStarted", "VideoUploaded"}
        async with ingest.client("bob") as bob:
            assert (await send(bob, body)).status_code == 202


async def test_an_account_is_changed_so_often_a_day_and_can_always_be_left(auth: Stage) -> None:
    alice = await auth.register("alice")
    token = alice["access_token"]

    async def prefer(visibility: str) -> tuple[int, str]:
        answer = await auth.call("PATCH", "/users/me", {"default_visibility": visibility}, token)
        return answer.status_code, answer.json().get("error", {}).get("type", "")

    for visibility in ("private", "public", "private"):
        assert await prefer(visibility) == (200, "")
    assert await prefer("public") == TOO_MANY
    # Refused as a whole: it was not written to auth's table either.
    assert data(await auth.call("GET", "/users/me", token=token))["default_visibility"] == "private"
    assert (await auth.register("bob"))["user"]["id"]
    left = await auth.call("DELETE", f"/users/{alice['user']['id']}", token=token)
    assert left.status_code in (200, 204), left.text
