"""Chats of running lives: two replicas, one Redis, real routes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from deploy.local import ports
from services.live.chat import readers
from services.live.chat.access import Caller
from services.live.chat.parts import Outside, open_chats
from services.live.chat.readers import Limits
from services.live.chat.rules import TooFast
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.chat import chat_router
from shared.contracts import UserDeleted, VideoDeleted, VisibilityChanged, stream_id
from shared.event_store.postgres import open_event_store
from shared.event_store.store import Metadata, NewEvent
from shared.http import grants, server
from shared.http.identity import Verifier
from shared.http.sessions import Sessions
from shared.loops.items import ItemMetrics
from shared.loops.loops import Loops
from shared.settings import Address
from tests.integration.gateway.rig import Wire
from tests.integration.live.harness import OBS, Live, batch
from tests.support.memory_blobs import MemoryBlobs
from tests.support.wait import eventually

SECRET = "a-test-secret-0123456789-abcdefghij"


class Events:
    """What one reader has got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.last_id = ""
        self.over = False

    async def read(self, response: httpx.Response) -> None:
        name, id_ = "", ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                id_ = value
            elif field == "data":
                self.got.append((name, json.loads(value)))
                self.last_id = id_ or self.last_id
                id_ = ""
        self.over = True

    def named(self, name: str) -> list[Any]:
        return [data for event, data in self.got if event == name]

    @property
    def texts(self) -> list[str]:
        return [data["text"] for data in self.named("message")]


class Replica:
    """One process of live, as far as chats are concerned."""

    def __init__(
        self, live: Live, engine: Any, redis_url: str, blobs: MemoryBlobs, limits: Limits
    ) -> None:
        registry = CollectorRegistry()
        self.redis = Redis.from_url(redis_url, socket_timeout=0.5)
        self.waiting = Redis.from_url(redis_url, socket_timeout=2)
        sessions = Sessions(live.store)
        self.readers = 0

        def count(number: int) -> None:
            self.readers = number

        outside = Outside(
            engine, self.redis, self.waiting, live.one.events, sessions, blobs, SECRET
        )
        self.chats = open_chats(
            outside, enabled=True, limits=limits, items=ItemMetrics(registry), count=count
        )
        self.app = live_app(
            live.one.streams,
            addresses=Addresses(rtmp_url="rtmp://localhost/live"),
            verifier=Verifier(live.keys, issuer="cinelog", audience="cinelog"),
            sessions=sessions,
            checks={},
            registry=registry,
            others=[chat_router(self.chats.chat)],
        )
        self.loops = Loops(registry)
        self.address = Address("127.0.0.1", ports.choose(["bind"], {})["bind"])
        self.url = f"http://{self.address}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        hub, repeat = self.chats.hub, self.loops.repeat
        tasks = [
            asyncio.create_task(repeat("read", hub.advance, 0.2, wake=hub.wake)),
            asyncio.create_task(repeat("check", hub.check, 0.1)),
        ]
        try:
            app: Any = self.app
            async with server.serving(app, self.address, drain_seconds=1.0, leaving_seconds=0):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.redis.aclose()
            await self.waiting.aclose()


class Stage:
    """A live of ann's with a chat, at two replicas."""

    def __init__(self, live: Live, replicas: list[Replica], blobs: MemoryBlobs) -> None:
        self.live = live
        self.replicas = replicas
        self.blobs = blobs
        self.video_id = self.live_id = ""
        self.session: Any = None
        self._client = httpx.AsyncClient(trust_env=False, timeout=30)

    async def start(self, **settings: Any) -> None:
        self.live_id, key = await self.live.stream(**settings)
        self.session = await self.live.one.sessions.connect(key, OBS)
        self.video_id = self.session.video_id

    async def call(
        self, method: str, path: str, user: str | None = None, at: int = 0, **options: Any
    ) -> httpx.Response:
        headers = {"x-cinelog-client": "203.0.113.9", **options.pop("headers", {})}
        if user:
            headers["authorization"] = f"Bearer {self.live.keys.token(user)}"
        url = f"{self.replicas[at].url}/api/v1/live/videos/{self.video_id}/chat{path}"
        return await self._client.request(method, url, headers=headers, **options)

    async def say(self, user: str | None, text: str, at: int = 0, **options: Any) -> httpx.Response:
        return await self.call("POST", "/messages", user, at, json={"text": text}, **options)

    async def said(self, user: str, text: str, at: int = 0) -> str:
        answer = await self.say(user, text, at)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    @asynccontextmanager
    async def reading(
        self, user: str | None = None, at: int = 0, last: str = "", query: str = ""
    ) -> AsyncIterator[Events]:
        headers = {"x-cinelog-client": "203.0.113.9"}
        if last:
            headers["last-event-id"] = last
        if user:
            headers["authorization"] = f"Bearer {self.live.keys.token(user)}"
        url = f"{self.replicas[at].url}/api/v1/live/videos/{self.video_id}/chat/events{query}"
        async with self._client.stream("GET", url, headers=headers) as response:
            assert response.status_code == 200
            events = Events()
            task = asyncio.create_task(events.read(response))
            try:
                await eventually(lambda: events.named("settings"))
                yield events
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def end(self) -> None:
        """The live ends and becomes a video."""
        await self.live.one.sessions.published(self.session, batch(self.video_id, 1, 0, 4))
        async with self.live.client() as client:
            await client.post(f"/api/v1/live/streams/{self.live_id}/complete")
        await self.live.one.sessions.disconnected(self.session, "over", clean=True)
        await self.live.one.finishing.round()

    async def append(self, stream: str, event: Any) -> None:
        """As another service."""
        async with open_event_store(self.live.database.admin_url) as store:
            version = len((await store.read_streams([stream]))[stream])
            await store.append(stream, version, [NewEvent(event)], Metadata())

    @property
    def keeping(self) -> Any:
        return self.replicas[0].chats.keeping

    @property
    def replay(self) -> dict[str, Any] | None:
        key = f"{self.video_id}/live/chat.json"
        held = self.blobs._objects.get(key)
        return None if held is None else json.loads(held[0])

    async def close(self) -> None:
        await self._client.aclose()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["type"]


Opened = Callable[..., Any]


@pytest.fixture
async def opened(live: Live, redis_url: str) -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:

        async def start(limits: Limits | None = None, url: str = "", **settings: Any) -> Stage:
            blobs = MemoryBlobs()
            engine = live.one.engine
            made = [
                Replica(live, engine, url or redis_url, blobs, limits or Limits()) for _ in range(2)
            ]
            for replica in made:
                await stack.enter_async_context(replica.running())
            stage = Stage(live, made, blobs)
            stack.push_async_callback(stage.close)
            await stage.start(**settings)
            return stage

        yield start


async def test_viewers_of_two_replicas_read_each_other(opened: Opened) -> None:
    stage = await opened()
    async with stage.reading(at=0) as one, stage.reading("bob", at=1) as two:
        for at, text in enumerate(("Hello", "  Hi\nthere ", "<b>not bold</b> &amp; \u202fdata: x")):
            await stage.said("bob" if at % 2 else "cat", text, at % 2)
        await eventually(lambda: len(one.texts) == len(two.texts) == 3)
        assert one.texts == two.texts == ["Hello", "Hi there", "<b>not bold</b> &amp; data: x"]
        first = one.named("message")[0]
        assert (first["username"], first["user_id"]) == ("cat", "cat")
        assert one.named("settings") == [{"open": True, "slow_seconds": 0}]
    async with stage.reading(at=1, last=first["id"]) as back:
        await eventually(lambda: back.texts == one.texts[1:])
    async with stage.reading(at=1, last="junk") as new:
        await eventually(lambda: new.texts == one.texts)
    await eventually(lambda: [replica.readers for replica in stage.replicas] == [0, 0])


async def test_many_readers_are_one_reader_of_redis(opened: Opened) -> None:
    stage = await opened()
    async with AsyncExitStack() as stack:
        all_readers = [await stack.enter_async_context(stage.reading()) for _ in range(20)]
        clients = await stage.replicas[0].redis.client_list()
        await stage.said("bob", "Hello")
        await eventually(lambda: all(each.texts == ["Hello"] for each in all_readers))
        assert len(await stage.replicas[0].redis.client_list()) <= len(clients) + 2


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "x" * 301, "a\x00b", "a\u202eb", "e\u2066", 5, None, "x" * 5000]
)
async def test_what_breaks_a_rule_is_refused(opened: Opened, text: Any) -> None:
    stage = await opened()
    answer = await stage.say("bob", text)
    assert answer.status_code == 400
    assert (await stage.say(None, "Hello")).status_code == 401


async def test_one_user_one_address_and_one_chat_have_rates(opened: Opened) -> None:
    stage = await opened()
    answers = [await stage.say("bob", f"{at}", at % 2) for at in range(12)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused
    assert code(refused[0]) == (429, "chat_too_fast")
    assert int(refused[0].headers["retry-after"]) >= 1
    # Elsewhere, and as somebody else, there is room.
    elsewhere = {"headers": {"x-cinelog-client": "198.51.100.1"}}
    assert (await stage.say("eve", "Hi", **elsewhere)).status_code == 201
    # Many accounts of one address.
    log = stage.keeping._log
    taken = await asyncio.gather(
        *(log.take(stage.video_id, f"user-{at}", "203.0.113.7", 0) for at in range(50)),
        return_exceptions=True,
    )
    assert any(isinstance(each, TooFast) for each in taken)
    # Many accounts of many addresses.
    taken = await asyncio.gather(
        *(log.take(stage.video_id, f"crowd-{at}", f"198.51.100.{at}", 0) for at in range(150)),
        return_exceptions=True,
    )
    assert any(isinstance(each, TooFast) for each in taken)
    assert None in taken


async def test_slow_mode(opened: Opened) -> None:
    stage = await opened()
    async with stage.reading(at=1) as reader:
        answer = await stage.call("PATCH", "", "ann", json={"slow_seconds": 60})
        assert answer.json()["data"]["slow_seconds"] == 60
        await eventually(lambda: {"open": True, "slow_seconds": 60} in reader.named("settings"))
    await stage.said("bob", "One")
    answer = await stage.say("bob", "Two", 1)
    assert code(answer) == (429, "chat_slow_mode")
    assert 55 <= int(answer.headers["retry-after"]) <= 60
    await stage.said("cat", "Mine")
    for text in ("The owner", "is not slow"):
        await stage.said("ann", text)
    for wrong in ({"slow_seconds": -1}, {"slow_seconds": 301}, {"x": 1}):
        assert (await stage.call("PATCH", "", "ann", json=wrong)).status_code == 400


async def test_messages_are_removed_by_the_owner_and_by_their_authors(opened: Opened) -> None:
    stage = await opened()
    mine, yours, third = [await stage.said("bob", text) for text in ("a", "b", "c")]
    async with stage.reading(at=1) as reader:
        assert code(await stage.call("DELETE", f"/messages/{mine}", "cat")) == (
            403,
            "chat_not_owner",
        )
        assert (await stage.call("DELETE", f"/messages/{mine}", "bob")).status_code == 204
        assert (await stage.call("DELETE", f"/messages/{yours}", "ann", 1)).status_code == 204
        await eventually(lambda: [each["id"] for each in reader.named("removed")] == [mine, yours])
        for gone in (mine, "1-1", "99999999999999-0"):
            answer = await stage.call("DELETE", f"/messages/{gone}", "ann")
            assert code(answer) == (404, "chat_message_not_found")
    for at in (0, 1):
        async with stage.reading(at=at) as late:
            await eventually(lambda late=late: late.texts == ["c"])
    # Whoever had seen them is told.
    async with stage.reading(last=third) as back:
        await eventually(lambda: len(back.named("removed")) == 2)


async def test_bans_for_a_live_and_for_good(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "spam")
    await stage.said("cat", "Hello")
    for_good = {"json": {"for_good": True}}
    assert code(await stage.call("PUT", "/bans/bob", "cat", json={}))[0] == 403
    assert (await stage.call("PUT", "/bans/nobody", "ann", json={})).status_code == 404
    assert (await stage.call("PUT", "/bans/ann", "ann", json={})).status_code == 404
    assert (await stage.call("PUT", "/bans/bob", "ann", json={})).status_code == 204
    assert code(await stage.say("bob", "again", 1)) == (403, "chat_banned")
    assert (await stage.call("GET", "", "bob")).json()["data"]["banned"] is True
    async with stage.reading(at=1) as reader:
        await eventually(lambda: reader.texts == ["Hello"])
    (ban,) = (await stage.call("GET", "/bans", "ann")).json()["data"]
    assert (ban["user_id"], ban["username"], ban["for_good"]) == ("bob", "bob", False)
    assert code(await stage.call("GET", "/bans", "bob"))[0] == 403
    assert (await stage.call("DELETE", "/bans/bob", "ann")).status_code == 204
    await stage.said("bob", "Back")
    assert (await stage.call("PUT", "/bans/bob", "ann", **for_good)).status_code == 204
    first = stage.video_id
    await stage.end()
    await stage.start(title="Another")
    assert stage.video_id != first
    assert code(await stage.say("bob", "Hi")) == (403, "chat_banned")
    await stage.said("cat", "Hi")


async def test_a_closed_chat_is_read_only_and_another_has_none(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "Hello")
    answer = await stage.call("PATCH", "", "ann", json={"open": False})
    assert answer.json()["data"]["state"] == "closed"
    assert code(await stage.say("bob", "Hi")) == (409, "chat_closed")
    await stage.said("ann", "Closed")
    async with stage.reading(at=1) as reader:
        await eventually(lambda: reader.texts == ["Hello", "Closed"])
        async with stage.live.client() as client:
            await client.patch(f"/api/v1/live/streams/{stage.live_id}", json={"chat": False})
        await eventually(lambda: reader.over)
        assert reader.named("end") == [{"reason": "off"}]
    assert (await stage.call("GET", "")).json()["data"]["state"] == "off"
    assert code(await stage.say("ann", "Hi")) == (409, "chat_off")
    assert code(await stage.call("GET", "/events")) == (409, "chat_off")


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


async def test_keys_of_repetitions_are_kept_no_longer_than_they_are_of_use(opened: Opened) -> None:
    """Each message may bring one: kept for a week, they would fill Redis."""
    stage = await opened()
    redis = stage.replicas[0].redis
    assert (await stage.say("bob", "Hello", headers={"idempotency-key": "k"})).status_code == 201
    kept = [await redis.ttl(key) async for key in redis.scan_iter("live:chat:*:repeated:*")]
    assert kept
    assert all(0 < seconds <= 3600 for seconds in kept)


async def test_an_idempotency_key_writes_once(opened: Opened) -> None:
    stage = await opened()
    headers = {"idempotency-key": "one"}
    first = await stage.say("bob", "Hello", headers=headers)
    again = await stage.say("bob", "Hello", 1, headers=headers)
    assert first.json()["data"] == again.json()["data"]
    assert code(await stage.say("bob", "Other", headers=headers)) == (409, "idempotency_key_reused")
    await stage.say("cat", "Hello", headers=headers)
    async with stage.reading() as reader:
        await eventually(lambda: reader.texts == ["Hello", "Hello"])


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


async def test_redis_is_told_no_address_and_no_key(opened: Opened) -> None:
    stage = await opened()
    told: list[str] = []
    async with stage.replicas[0].redis.monitor() as monitor:
        await stage.say("bob", "Hello", headers={"idempotency-key": "a-secret-key"})
        async with asyncio.timeout(10):
            while not any("XADD" in line.upper() for line in told):
                told.append((await monitor.next_command())["command"])
    for line in told:
        for secret in ("203.0.113.9", "a-secret-key"):
            assert secret not in line
    keys = [key async for key in stage.replicas[0].redis.scan_iter("live:chat:*")]
    assert keys
    for key in keys:
        assert 0 < await stage.replicas[0].redis.pttl(key) <= 7 * 86_400_000
