"""A chat of a running live at two replicas, and what its readers have got."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from deploy.local import ports
from services.live.chat.parts import Outside, open_chats
from services.live.chat.readers import Limits
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.chat import chat_router
from shared.event_store.postgres import open_event_store
from shared.event_store.store import Metadata, NewEvent
from shared.http import server
from shared.http.identity import Verifier
from shared.http.sessions import Sessions
from shared.loops.items import ItemMetrics
from shared.loops.loops import Loops
from shared.settings import Address
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

    def __init__(
        self,
        live: Live,
        replicas: list[Replica],
        blobs: MemoryBlobs,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.live = live
        self.replicas = replicas
        self.blobs = blobs
        self.video_id = self.live_id = ""
        self.session: Any = None
        self._client = client or httpx.AsyncClient(trust_env=False, timeout=30)

    async def start(self, **settings: Any) -> None:
        self.live_id, key = await self.live.stream(**settings)
        self.session = await self.live.one.sessions.connect(key, OBS)
        self.video_id = self.session.video_id

    async def beside(self) -> "Stage":
        """Another live of ann's with a chat, at the same replicas."""
        other = Stage(self.live, self.replicas, self.blobs, self._client)
        await other.start()
        return other

    async def call(
        self, method: str, path: str, user: str | None = None, at: int = 0, **options: Any
    ) -> httpx.Response:
        headers = {"x-cinelog-client": "203.0.113.9", **options.pop("headers", {})}
        if user:
            headers["authorization"] = f"Bearer {self.live.keys.token(user)}"
        url = f"{self.replicas[at].url}/api/v1/live/videos/{self.video_id}/chat{path}"
        # A stream of events that was to be refused would have no end.
        async with asyncio.timeout(60):
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


@asynccontextmanager
async def opening(live: Live, redis_url: str) -> AsyncIterator[Opened]:
    """Starts chats, and ends them."""
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
