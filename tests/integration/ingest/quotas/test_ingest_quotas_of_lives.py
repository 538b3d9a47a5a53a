"""What lives may take of an account."""

import httpx

from services.live.ingest_client import IngestClient
from shared.contracts import (
    TranscodeCompleted,
    VideoDeleted,
    stream_id,
)
from tests.integration.ingest.facts import planned
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest
from tests.integration.ingest.quotas.quota_stage import (
    KIB,
    append_facts,
    catch_up,
    live_connected,
    live_ended,
    live_published,
    send_form,
    usage_of,
    uuid_of,
)
from tests.support.databases import Database


async def test_segments_of_lives_count_as_stored(database: Database, ingest: Ingest) -> None:
    await append_facts(
        database,
        [
            live_connected("kept", "ann"),
            live_published("kept", 0, 30 * KIB),
            live_connected("empty", "ann"),
            live_connected("thrown away", "ann", record=False),
            live_published("thrown away", 0, 5 * KIB),
            live_connected("running", "ann"),
            live_published("running", 0, 20 * KIB, 10 * KIB),
            live_ended("empty", "ann"),
            live_ended("thrown away", "ann"),
            # Its owner's last segments.
            live_published("thrown away", 1, KIB),
            live_ended("kept", "ann"),
            live_published("kept", 1, 10 * KIB),
        ],
    )
    await catch_up(database)
    async with ingest.client() as client:
        usage = await usage_of(client)
        assert usage["bytes"] == {"used": 70 * KIB, "allowed": 100 * KIB}
        assert usage["videos"] == {"used": 2, "allowed": 6}
        assert usage["lives"] == {"used": 2, "allowed": None}
        assert usage["live_bytes"] == {"used": 70 * KIB, "allowed": None}
        assert problem(await send_form(client, 40 * KIB)) == (403, "quota_exceeded")
        kept = VideoDeleted(video_id=uuid_of("kept"), user_id="ann", deleted_by="ann")
        await append_facts(database, [(stream_id("video", uuid_of("kept")), kept)])
        await catch_up(database)
        usage = await usage_of(client)
        assert usage["bytes"]["used"] == usage["live_bytes"]["used"] == 30 * KIB
        assert usage["deleted_bytes"]["used"] == 40 * KIB
        assert (await send_form(client, 40 * KIB)).status_code == 202


async def test_live_is_told_that_an_account_is_full(database: Database, ingest: Ingest) -> None:
    async def refusal(user_id: str, *, begins: bool, url: str = ingest.url) -> str | None:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await IngestClient(client, url).refusal(user_id, begins=begins)

    assert await refusal("ann", begins=True) is None
    lives = [live_connected(name, "ann") for name in "abcdef"]
    await append_facts(database, [*lives, *(live_published(name, 0, KIB) for name in "abcdef")])
    await catch_up(database)
    # As many videos as it may have: what runs goes on.
    assert await refusal("ann", begins=True) == (
        "The account has used its videos: 6 used, 6 allowed."
    )
    assert await refusal("ann", begins=False) is None
    await append_facts(database, [live_published("a", 1, 94 * KIB)])
    await catch_up(database)
    assert await refusal("ann", begins=False) == (
        "The account has used its stored bytes: 100 KiB used, 100 KiB allowed."
    )
    assert await refusal("bob", begins=True) is None
    # No live ends because ingest is away.
    assert await refusal("ann", begins=False, url="http://127.0.0.1:9") is None


async def test_the_minutes_of_a_recorded_live_are_counted_once(
    database: Database, ingest: Ingest
) -> None:
    """When its video is planned; what was encoded while it ran is not counted."""
    video = uuid_of("live")
    completed = TranscodeCompleted(
        video_id=video,
        attempt=1,
        playlist_key="master.m3u8",
        duration_ms=180_000,
        width=640,
        height=360,
        renditions=(),
        size=5 * KIB,
    )
    live = [
        live_connected("live", "ann"),
        live_published("live", 0, KIB),
        live_ended("live", "ann"),
    ]
    await append_facts(database, live)
    await catch_up(database)
    async with ingest.client() as client:
        assert (await usage_of(client))["encode_minutes"]["used"] == 0
        transcode = [planned(video, "ann", 3), (stream_id("transcode", video), completed)]
        await append_facts(database, transcode)
        await catch_up(database)
        assert (await usage_of(client))["encode_minutes"]["used"] == 3
        assert (await usage_of(client))["bytes"]["used"] == KIB
