"""A gateway that keeps answers, before a catalog whose answers are numbered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from services.gateway.request.routes import Open, Target
from tests.integration.gateway.rig import (
    Clock,
    Peer,
    Request,
    Rig,
    Service,
    running_gateway,
)
from tests.support.wait import eventually

LATEST = "/api/v1/streaming/latest"
VIDEO_ID = "01920000-0000-7000-8000-00000000000a"
OTHER_ID = "01920000-0000-7000-8000-00000000000b"
VIDEO, OTHER = (f"/api/v1/streaming/id/{id_}" for id_ in (VIDEO_ID, OTHER_ID))
SHARED = "public, max-age=0, s-maxage=2"


class Catalog:
    """A catalog whose answers carry a number that rises with each of them."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.heads: list[dict[str, str]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.without: set[str] = set()
        self.size = 2000
        self.facts: dict[str, Any] = {}
        self.holds = asyncio.Event()
        self.holds.set()
        self._news: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.position = 0
        self.listeners = self.listened = 0
        self.breaks = False

    def tell(self, *shows: str, everything: bool = False) -> None:
        """Let the next gateway that listens know what has changed."""
        self.position += 1
        news = {"position": self.position, "shows": shows, "everything": everything}
        self._news.put_nowait(news)

    def fall_silent(self) -> None:
        """Let the next gateway that listens hear an error."""
        self._news.put_nowait(None)

    async def __call__(self, request: Request, peer: Peer) -> None:
        if request.target.startswith("/internal/"):
            await self._answer_gateway(request, peer)
            return
        if self.breaks:
            raise ConnectionError
        number = self.asked[request.target]
        self.asked[request.target] += 1
        self.heads.append(request.headers)
        async for _ in peer.body(request):
            pass
        await self.holds.wait()
        if request.method != "GET":
            wrote = {"x_cinelog_wrote": f"video-{VIDEO_ID}@7"} if request.method == "PUT" else {}
            await peer.answer(200, {"success": True}, **wrote)
            return
        path = request.target.partition("?")[0]
        headers = {
            "content_type": "application/json",
            "etag": f'W/"{number}"',
            "cache_control": SHARED,
            "vary": "authorization",
            "x_cinelog_shows": path.rpartition("/")[2] if "/id/" in path else "lists",
            **self.headers,
        }
        sent = {name: value for name, value in headers.items() if name not in self.without}
        answer = {"number": number, "filled": "x" * self.size, "data": self.facts}
        await peer.answer(self.status, answer, **sent)

    async def _answer_gateway(self, request: Request, peer: Peer) -> None:
        if request.target.startswith("/internal/caught-up"):
            await peer.answer(200, {"caught_up": True})
            return
        if request.target.startswith("/internal/gone/"):
            await peer.answer(404, {})
            return
        self.listeners += 1
        self.listened += 1
        news = await self._news.get()
        self.listeners -= 1
        if news is None:
            await peer.answer(503, {})
        else:
            await peer.answer(200, news)


class Stand(httpx.AsyncClient):
    """A client of a gateway that keeps answers."""

    rig: Rig
    catalog: Catalog
    clock: Clock

    async def number(self, path: str, **headers: str) -> int:
        """Which of the catalog's answers comes back."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.get(path, headers=sent)
        assert answer.status_code == 200
        assert not {"x-cinelog-shows", "x-cinelog-apart"} & answer.headers.keys()
        return answer.json()["number"]

    @property
    def waiting(self) -> int:
        """Requests that have come as far as the cache, and are not answered."""
        return self.rig.app._open_requests._open[Open.REQUEST]

    def metric(self, name: str) -> float:
        cache: Any = self.rig.app._handlers[Target.CATALOG]
        return getattr(cache._cache._metrics, name)._value.get()


@asynccontextmanager
async def standing(service: Service, redis_url: str, **changes: Any) -> AsyncIterator[Stand]:
    catalog, clock = Catalog(), Clock()
    service.handler = catalog
    options = {"edge_cache_bytes": 1 << 20, **changes}
    async with (
        running_gateway(service, redis_url, clock=clock, **options) as rig,
        Stand(base_url=rig.url, trust_env=False, timeout=20) as stand,
    ):
        stand.rig, stand.catalog, stand.clock = rig, catalog, clock
        if options["edge_cache_bytes"]:
            catalog.tell()
            await eventually(lambda: stand.metric("told") == 1 and catalog.listeners == 1)
        yield stand


async def told(stand: Stand, *shows: str, everything: bool = False) -> None:
    """Tell, and wait until the gateway has heard it, and listens again."""
    stand.catalog.tell(*shows, everything=everything)
    await eventually(lambda: stand.catalog._news.empty() and stand.catalog.listeners == 1)
