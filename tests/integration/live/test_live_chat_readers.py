"""Readers of chats: who may be one, how many there may be, and what they are told of faults."""

import asyncio

import pytest

from services.live.chat import readers
from services.live.chat.access import Caller
from services.live.chat.readers import Limits
from services.live.chat.rooms_repository import Room
from shared.contracts import Visibility, VisibilityChanged, stream_id
from shared.http import grants
from tests.integration.gateway.rig import Wire
from tests.integration.live.chat_stage import SECRET, Opened, code
from tests.support.wait import eventually


async def test_who_may_watch_may_read(opened: Opened) -> None:
    stage = await opened(visibility="private")
    token = grants.grant(SECRET, stage.video_id, "session", 4_000_000_000)
    other = grants.grant(SECRET, stage.live_id, "session", 4_000_000_000)
    for user in (None, "bob"):
        for query in ("", "?grant=junk", f"?grant={other}"):
            assert code(await stage.call("GET", query, user)) == (404, "chat_not_found")
        assert (await stage.call("GET", "/events", user)).status_code == 404
    assert (await stage.say("bob", "Hi")).status_code == 404
    assert (await stage.say("bob", "Hi", params={"grant": token})).status_code == 201
    await stage.said("ann", "Mine")
    async with stage.reading(query=f"?grant={token}") as reader, stage.reading("ann", 1) as owner:
        await eventually(lambda: reader.texts == owner.texts == ["Hi", "Mine"])
    unknown = stage.video_id
    stage.video_id = stage.live_id
    assert (await stage.call("GET", "")).status_code == 404
    stage.video_id = unknown


async def test_a_live_that_is_hidden_has_no_readers_any_more(opened: Opened) -> None:
    stage = await opened(visibility="unlisted")
    async with stage.reading(at=1) as reader, stage.reading("ann", at=1) as owner:
        hidden = VisibilityChanged(video_id=stage.video_id, visibility="private")
        await stage.append(stream_id("video", stage.video_id), hidden)
        await eventually(lambda: reader.over)
        assert reader.named("end") == [{"reason": "hidden"}]
        assert not owner.over
    assert (await stage.call("GET", "/events")).status_code == 404


async def test_what_is_written_after_a_live_was_hidden_reaches_nobody_else(opened: Opened) -> None:
    stage = await opened()
    async with stage.reading(at=1) as reader, stage.reading("ann", at=1) as owner:
        assert (await stage.call("GET", "/")).status_code == 200
        hidden = VisibilityChanged(video_id=stage.video_id, visibility="private")
        await stage.append(stream_id("video", stage.video_id), hidden)
        for path in ("/", "/events"):
            assert (await stage.call("GET", path)).status_code == 404
        written = await stage.call("POST", "/messages", "ann", json={"text": "For nobody"})
        assert written.status_code == 201, written.text
        await eventually(lambda: owner.named("message"))
        await eventually(lambda: reader.over)
        assert reader.named("message") == []
        assert reader.named("end") == [{"reason": "hidden"}]


async def test_a_chat_that_fails_holds_no_other_one_up(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await opened()
    other = await stage.beside()
    hub = stage.replicas[0].chats.hub
    renewed = hub._access.renewed

    async def fails(video_id: str) -> Visibility | None:
        if video_id == stage.video_id:
            raise ValueError("a fault of this chat alone")
        return await renewed(video_id)

    async with stage.reading() as reader, other.reading() as others:
        monkeypatch.setattr(hub._access, "renewed", fails)
        await stage.said("bob", "unknown who may read this", at=1)
        for text in ("one", "two"):
            await other.said("bob", text, at=1)
            await eventually(lambda text=text: others.texts[-1:] == [text])
        assert reader.texts == []


async def test_who_comes_while_rooms_are_looked_up_stays(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await opened()
    chats = stage.replicas[0].chats
    room = await chats.chat.running(stage.video_id, Caller(None))
    look_up, looked_up, came = chats.hub._rooms.rooms, asyncio.Event(), asyncio.Event()

    async def slow(video_ids: list[str]) -> dict[str, Room]:
        found = await look_up(video_ids)
        looked_up.set()
        await came.wait()
        return found

    monkeypatch.setattr(chats.hub._rooms, "rooms", slow)
    checked = asyncio.create_task(chats.hub.check())
    await looked_up.wait()
    async with chats.hub.reading(room, Caller(None), "one", None) as reader:
        came.set()
        await checked
        assert b"event: settings" in (await reader.next(5) or b"")
        with pytest.raises(TimeoutError):
            await reader.next(0.2)


async def test_readers_have_limits(opened: Opened) -> None:
    stage = await opened(Limits(per_address=2, per_room=3, per_process=100))
    async with stage.reading(), stage.reading():
        answer = await stage.call("GET", "/events")
        assert code(answer) == (429, "chat_full")
        assert answer.headers["retry-after"]
        elsewhere = {"x-cinelog-client": "198.51.100.1"}
        async with stage._client.stream(
            "GET",
            f"{stage.replicas[0].url}/api/v1/live/videos/{stage.video_id}/chat/events",
            headers=elsewhere,
        ) as third:
            assert third.status_code == 200
            third_place = {"x-cinelog-client": "198.51.100.2"}
            answer = await stage.call("GET", "/events", headers=third_place)
            assert code(answer) == (429, "chat_full")
    await eventually(lambda: stage.replicas[0].readers == 0)
    async with stage.reading():
        pass


async def test_a_slow_reader_is_dropped_with_a_reason_and_comes_back(opened: Opened) -> None:
    stage = await opened()
    chat = stage.replicas[0].chats.chat
    room, caller = await chat.running(stage.video_id, Caller(None)), Caller(None)
    log = stage.keeping._log
    async with (
        chat.hub.reading(room, caller, "slow", None) as slow,
        chat.hub.reading(room, caller, "fast", None) as fast,
    ):
        for at in range(readers.QUEUE + 20):
            await log.changed(stage.video_id, is_open=True, slow_seconds=at)
            # Each in a piece of its own.
            while b'"slow_seconds":%d}' % at not in (await fast.next(5) or b""):
                pass
        got: list[bytes] = []
        while (event := await slow.next(5)) is not None:
            got.append(event)
    assert got[-1] == b'event: end\ndata: {"reason":"too_slow"}\n\n'
    assert len(got) == readers.QUEUE + 1
    last = got[-2].partition(b"\n")[0].removeprefix(b"id: ").decode()
    async with chat.hub.reading(room, caller, "slow", last) as back:
        await back.next(5)
        assert (await back.next(5) or b"").count(b"event: settings") >= 20


async def test_without_redis_the_chat_is_away_and_comes_back(
    opened: Opened, redis_url: str
) -> None:
    wire = Wire(redis_url)
    async with wire.running():
        stage = await opened(url=wire.url)
        async with stage.reading(at=1) as reader:
            await stage.said("bob", "before")
            await eventually(lambda: reader.texts == ["before"])
            wire.cut()
            await eventually(lambda: reader.named("away"))
            assert code(await stage.say("bob", "lost")) == (503, "chat_unavailable")
            assert (await stage.call("GET", "")).status_code == 200
            async with stage.reading(at=0) as newcomer:
                await eventually(lambda: newcomer.named("away"))
                wire.mend()
                await eventually(lambda: reader.named("back") and newcomer.named("back"))
                await eventually(lambda: newcomer.texts == ["before"])
                await stage.said("bob", "after")
                await eventually(lambda: newcomer.texts[-1] == reader.texts[-1] == "after")
            assert not reader.over
            # What it had is lost, but not who is banned.
            await stage.call("PUT", "/bans/bob", "ann", json={})
            await stage.replicas[0].redis.flushdb()
            await stage.said("cat", "new")
            await eventually(lambda: reader.texts[-1] == "new")
            assert code(await stage.say("bob", "Hi")) == (403, "chat_banned")
