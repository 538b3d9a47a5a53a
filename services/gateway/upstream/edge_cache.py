"""The catalog's answers that are the same for everybody, kept for the next who asks.

The catalog says which those are, and what they show. However many ask for one at the same time, one
request is under way for it. An answer is dropped when the catalog tells that it shows something
else, or a request through this gateway has changed that, and otherwise after some seconds: what
nobody is told of, such as views that were counted just now, is not older.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.upstream.kept_answer import Kept, may_be_kept
from services.gateway.upstream.upstreams import Upstream
from shared.loops.progress import LoopProgress

KEPT_SECONDS: Final = 5.0
"""The longest time that an answer is kept, from the moment in which it was asked for."""
UNTOLD_SECONDS: Final = 1.0
"""The same while the catalog does not tell of changes."""
LISTS: Final = "lists"
"""What answers show that name more than one video; others show the video with an id."""

# The catalog answers after 4 s at the latest.
_HEARD_SECONDS: Final = 8.0

Key = tuple[bytes, bytes, bytes]
"""Path, query, and the gateway's address as the caller names it, to which links may lead."""


class CacheMetrics:
    """How many requests are answered from memory, and how much is kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        requests = Counter(
            "gateway_edge_cache_requests_total",
            "Reads that may be answered the same for everybody, by outcome: hit (from memory), "
            "joined (with the answer that another one asked for), asked, passed (as the caller's "
            "own).",
            ["outcome"],
            registry=registry,
        )
        self.hit, self.joined, self.asked, self.passed = map(
            requests.labels, ("hit", "joined", "asked", "passed")
        )
        self.bytes = Gauge("gateway_edge_cache_bytes", "Memory of kept answers.", registry=registry)
        self.told = Gauge(
            "gateway_edge_cache_told",
            "1 while the catalog tells which answers have changed.",
            registry=registry,
        )


class _Shown(msgspec.Struct, frozen=True):
    """What answers no longer show as they did before ``position``."""

    position: int
    shows: tuple[str, ...]
    everything: bool


class EdgeCache:
    """Keeps at most ``most_bytes``. ``clock`` is a steady clock in seconds."""

    def __init__(
        self,
        catalog: Upstream,
        most_bytes: int,
        metrics: CacheMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._most = most_bytes
        self._metrics = metrics
        self._clock = clock
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._showing: dict[str, set[Key]] = {}
        self._bytes = 0
        self._asking: dict[Key, asyncio.Task[Kept | Response | None]] = {}
        self._told = False
        self._position = 0

    async def find(
        self, key: Key, caller: Callable[[], bytes], timeout: float
    ) -> Kept | Response | None:
        """A kept answer; or a refusal, which is for this caller alone and must be closed; or None:
        the caller is to ask for an answer of their own.

        ``caller`` makes header lines that name the request. ``timeout`` is in seconds. Raises
        UpstreamError where the catalog does not answer.
        """
        found = self._fresh(key)
        if found is not None:
            self._metrics.hit.inc()
            return found
        asking = self._asking.get(key)
        if asking is not None:
            found = await asyncio.shield(asking)
            if isinstance(found, Kept):
                self._metrics.joined.inc()
                return found
            # A refusal may be due to whoever asked first.
            self._metrics.passed.inc()
            return None
        asking = asyncio.create_task(self._ask(key, caller(), timeout))
        self._asking[key] = asking
        asking.add_done_callback(lambda task: self._asked(key, task))
        self._metrics.asked.inc()
        try:
            # One caller that hangs up does not end what others wait for.
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(_close)
            raise

    async def get(self, target: str, timeout: float) -> tuple[int, bytes]:
        """Status of a read that the gateway makes for itself, and the body of a 200.

        Raises UpstreamError, or TimeoutError after ``timeout`` seconds.
        """
        path, _, query = target.encode().partition(b"?")
        async with asyncio.timeout(timeout):
            found = await self.find((path, query, b""), lambda: b"", timeout)
            if isinstance(found, Kept):
                return 200, found.body
            if found is None:
                return await self._catalog.get(target, timeout)
            found.close()
            return found.status, b""

    def passed(self) -> None:
        """A read was answered as its caller's own."""
        self._metrics.passed.inc()

    def forget(self, video: str | None) -> None:
        """A request through this gateway has changed ``video``, or deleted an account (None)."""
        self._drop(None if video is None else (LISTS, video))

    async def follow(self, progress: LoopProgress) -> None:
        """Drop what the catalog tells of. Raises UpstreamError where it no longer tells."""
        try:
            while True:
                await self._hear()
                progress.came_round()
        finally:
            self._told = False
            self._metrics.told.set(0)

    async def _hear(self) -> None:
        """What has changed since the last time, once anything has."""
        target = f"/internal/shown?after={self._position}"
        try:
            status, body = await self._catalog.listen(target, _HEARD_SECONDS)
            if status != 200:
                raise UpstreamError(f"the catalog answered {status}")
            shown = msgspec.json.decode(body, type=_Shown)
        except TimeoutError:
            raise UpstreamError("the catalog took too long") from None
        except msgspec.DecodeError:
            raise UpstreamError("the catalog's answer has another shape") from None
        self._position = shown.position
        if shown.everything:
            self._drop(None)
        elif shown.shows:
            self._drop(shown.shows)
        self._told = True
        self._metrics.told.set(1)

    def _fresh(self, key: Key) -> Kept | None:
        found = self._kept.get(key)
        if found is None:
            return None
        seconds = KEPT_SECONDS if self._told else UNTOLD_SECONDS
        if self._clock() - found.asked_at >= seconds:
            self._remove(key)
            return None
        self._kept.move_to_end(key)
        return found

    async def _ask(self, key: Key, caller: bytes, timeout: float) -> Kept | Response | None:
        asked_at = self._clock()
        path, query, origin = key
        head = b"GET %b%b%b HTTP/1.1\r\nhost: %b\r\naccept: application/json\r\n%b" % (
            path,
            b"?" if query else b"",
            query,
            self._catalog.authority,
            caller,
        )
        response = await self._catalog.request(
            b"%bx-cinelog-origin: %b\r\n\r\n" % (head, origin), idempotent=True, timeout=timeout
        )
        if response.status != 200:
            return response
        if not may_be_kept(response):
            # With the caller's headers it may be another one.
            response.close()
            return None
        try:
            body = bytearray()
            while part := await response.read():
                body += part
        finally:
            response.close()
        kept = Kept(response.headers, bytes(body), asked_at)
        # Not where something has changed meanwhile: the answer may be the one from before.
        if self._asking.get(key) is asyncio.current_task():
            self._keep(key, kept)
        return kept

    def _asked(self, key: Key, task: "asyncio.Task[Kept | Response | None]") -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            # Its error has reached those who wait; there may be none left.
            task.exception()

    def _keep(self, key: Key, kept: Kept) -> None:
        if key in self._kept:
            self._remove(key)
        self._kept[key] = kept
        self._showing.setdefault(kept.shows, set()).add(key)
        self._bytes += kept.size
        while self._bytes > self._most:
            self._remove(next(iter(self._kept)))
        self._metrics.bytes.set(self._bytes)

    def _remove(self, key: Key) -> None:
        kept = self._kept.pop(key)
        self._bytes -= kept.size
        showing = self._showing[kept.shows]
        showing.discard(key)
        if not showing:
            del self._showing[kept.shows]
        self._metrics.bytes.set(self._bytes)

    def _drop(self, shows: tuple[str, ...] | None) -> None:
        """Drop answers that show any of this; all for None. What is under way is not kept."""
        self._asking.clear()
        wanted = tuple(self._showing) if shows is None else shows
        for key in [key for shown in wanted for key in self._showing.get(shown, ())]:
            self._remove(key)


def _close(task: "asyncio.Task[Kept | Response | None]") -> None:
    """Nobody reads the response any more."""
    if not task.cancelled() and task.exception() is None:
        found = task.result()
        if isinstance(found, Response):
            found.close()
