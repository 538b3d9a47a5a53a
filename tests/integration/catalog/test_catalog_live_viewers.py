"""Viewers of a running live, as the catalog says them to everybody."""

from datetime import UTC, datetime

from redis.asyncio import Redis

from shared.contracts import LiveEnded, LivePublished, new_id, stream_id
from shared.live_viewers.windows import present_keys
from tests.integration.catalog.stage import open_stage
from tests.support.databases import Database
from tests.support.live_events import live_connected


async def test_a_running_live_says_how_many_watch_it(database: Database, redis_url: str) -> None:
    async with open_stage(database, redis_url=redis_url) as stage, Redis.from_url(redis_url) as own:
        owner, video_id, live_id = await stage.user(), new_id(), new_id()
        name, now = stream_id("livesession", video_id), datetime.now(UTC)
        connected = live_connected(video_id, owner, live_id=live_id, title="Bikes")
        published = LivePublished(
            video_id=video_id, epoch=1, first_segment=0, started_at=now, tracks=()
        )
        await stage.record(name, connected, published)
        one, newest = f"/streaming/id/{video_id}", "/streaming/latest"
        assert (await stage.get(one)).json()["data"]["live"]["viewers"] == 0
        key, _ = present_keys(video_id, now.timestamp())
        await own.execute_command("PFADD", key, *range(7))
        assert (await stage.get(one)).json()["data"]["live"]["viewers"] == 7
        listed = (await stage.get(newest)).json()["data"]["data"]
        assert [video["live"]["viewers"] for video in listed] == [7]
        await own.execute_command("SET", key, "no number of viewers")
        assert (await stage.get(one)).json()["data"]["live"]["viewers"] is None
        ended = LiveEnded(video_id=video_id, live_id=live_id, user_id=owner, reason="over")
        await stage.record(name, ended)
        assert (await stage.get(one)).status_code == 200


async def test_without_redis_nobody_knows(database: Database) -> None:
    async with open_stage(database, redis_url="redis://127.0.0.1:1/0") as stage:
        assert (await stage.get("/streaming/latest")).status_code == 200
