"""What is kept of chats: replays beside videos, and nothing that ought to be gone."""

import asyncio

from shared.contracts import UserDeleted, VideoDeleted, stream_id
from tests.integration.live.chat_stage import Opened, Stage, code
from tests.support.wait import eventually


async def test_keys_of_repetitions_are_kept_no_longer_than_they_are_of_use(opened: Opened) -> None:
    """Each message may bring one: kept for a week, they would fill Redis."""
    stage = await opened()
    redis = stage.replicas[0].redis
    assert (await stage.say("bob", "Hello", headers={"idempotency-key": "k"})).status_code == 201
    kept = [await redis.ttl(key) async for key in redis.scan_iter("live:chat:*:repeated:*")]
    assert kept
    assert all(0 < seconds <= 3600 for seconds in kept)


async def test_the_replay_has_places_in_the_video_and_no_removed_message(opened: Opened) -> None:
    stage = await opened()
    async with stage.reading(at=1) as reader:
        gone = await stage.said("bob", "gone")
        await stage.said("bob", "kept")
        await stage.said("cat", "too")
        await stage.call("DELETE", f"/messages/{gone}", "ann")
        await stage.end()
        await eventually(lambda: reader.over)
        assert reader.named("end") == [{"reason": "ended"}]
    assert code(await stage.say("bob", "late")) == (409, "chat_ended")
    assert (await stage.call("GET", "")).json()["data"]["state"] == "ended"
    await stage.keeping.round()
    replay = stage.replay
    assert replay is not None
    assert [each["text"] for each in replay["messages"]] == ["kept", "too"]
    assert replay["complete"] is True
    # The pictures of the test are of 2030, and the messages of today.
    assert {each["offset_ms"] for each in replay["messages"]} == {0}
    assert (await stage.call("GET", "")).json()["data"]["state"] == "replay"
    assert [key async for key in stage.replicas[0].redis.scan_iter(f"live:chat:{{{'*'}}}")] == []
    await stage.keeping.round()
    assert stage.replay == replay


async def test_nothing_is_kept_of_a_live_that_is_not(opened: Opened) -> None:
    stage = await opened(record=False)
    await stage.said("bob", "Hello")
    await stage.end()
    await stage.keeping.round()
    assert stage.replay is None
    assert (await stage.call("GET", "")).json()["data"]["state"] == "ended"


async def test_with_an_account_goes_all_that_it_wrote(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "of bob")
    await stage.said("cat", "of cat")
    await stage.end()
    await stage.keeping.round()
    ended = stage.video_id
    await stage.start(title="Another")
    async with stage.reading(at=1) as reader:
        await stage.said("bob", "of bob, now")
        await stage.said("cat", "of cat, now")
        await stage.append(stream_id("user", "bob"), UserDeleted(user_id="bob"))
        await stage.keeping.round()
        await eventually(lambda: len(reader.named("removed")) == 1)
    async with stage.reading() as late:
        await eventually(lambda: late.texts == ["of cat, now"])
    stage.video_id = ended
    assert stage.replay is not None
    assert [each["text"] for each in stage.replay["messages"]] == ["of cat"]


async def test_with_a_video_goes_its_chat(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "Hello")
    await stage.end()
    await stage.keeping.round()
    assert stage.replay is not None
    deleted = VideoDeleted(video_id=stage.video_id, user_id="ann", deleted_by="ann")
    await stage.append(stream_id("video", stage.video_id), deleted)
    await stage.keeping.round()
    assert stage.replay is None
    await eventually(lambda: _is_status(stage, 404))


async def _is_status(stage: Stage, status: int) -> bool:
    return (await stage.call("GET", "")).status_code == status


async def test_redis_is_told_no_address_and_no_key(opened: Opened) -> None:
    stage = await opened()
    told: list[str] = []
    async with stage.replicas[0].redis.monitor() as monitor:
        await stage.say("bob", "Hello", headers={"idempotency-key": "a-secret-key"})
        async with asyncio.timeout(60):
            while not any("XADD" in line.upper() for line in told):
                told.append((await monitor.next_command())["command"])
    for line in told:
        for secret in ("203.0.113.9", "a-secret-key"):
            assert secret not in line
    keys = [key async for key in stage.replicas[0].redis.scan_iter("live:chat:*")]
    assert keys
    for key in keys:
        assert 0 < await stage.replicas[0].redis.pttl(key) <= 7 * 86_400_000
