"""``/media/{token}/{video}/…``: playlists, segments and images from the media bucket.

``token`` is a signed grant, or ``public`` for videos that others may see by the catalog. URIs
in playlists are relative, so a player keeps the grant, or follows the redirect, of its playlist.
A grant ends with its session. A deleted video is refused with a grant, too: its objects stay in the
bucket for a while.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.media.live_media import LiveMedia
from services.gateway.media.media_paths import PUBLIC, MediaPaths
from services.gateway.observability.media_metrics import MediaMetrics
from services.gateway.request import conditions
from services.gateway.request.exchange import Exchange, Headers
from services.gateway.request.routes import Route
from services.gateway.security_headers import media_headers
from services.gateway.upstream import moved
from services.gateway.upstream.download import Download
from services.gateway.upstream.object_storage import ObjectStorage
from services.gateway.upstream.upstreams import Upstream
from shared.contracts import SHOWN_TO_OTHERS
from shared.contracts import Visibility as Shown
from shared.http import grants

# Seconds that a visibility is used: normally, and while the catalog does not answer.
_FRESH_SECONDS: Final = 5.0
_FRESH_HIDDEN_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 60.0
_MAX_KNOWN: Final = 20_000
_PASSED_ON: Final = frozenset((b"content-length", b"content-range", b"etag", b"last-modified"))


class _Visibility(msgspec.Struct):
    visibility: Shown


class Visibility:
    """Which videos may be seen. The catalog's answers are kept for some seconds."""

    def __init__(self, catalog: Upstream, clock: Callable[[], float]) -> None:
        self._catalog = catalog
        self._clock = clock
        # By video and, for grants, the id of the session; "" without one.
        self._known: dict[tuple[str, str], tuple[Shown | None, float]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Shown | None]] = {}
        # Answers to questions of an earlier generation are not kept.
        self._generation = 0

    def forget(self, video: str | None) -> None:
        """Ask again for ``video``, or for all: a request through this gateway has changed it."""
        self._generation += 1
        self._asking.clear()
        if video is None:
            self._known.clear()
            return
        for key in [key for key in self._known if key[0] == video]:
            del self._known[key]

    async def visible(self, video: str) -> bool:
        """Whether ``video`` needs no grant.

        Raises UpstreamError where the catalog does not answer and its last answer is too old.
        """
        if await self._of(video) in SHOWN_TO_OTHERS:
            return True
        # It may have been published just now.
        return await self._of(video, _FRESH_HIDDEN_SECONDS) in SHOWN_TO_OTHERS

    async def granted(self, video: str, session: str) -> bool:
        """Whether the session is open and ``video`` not deleted, or the catalog does not answer."""
        try:
            return await self._of(video, _FRESH_HIDDEN_SECONDS, session) is not None
        except UpstreamError:
            # Grants are given for videos that are there, and expire.
            return True

    async def _of(
        self, video: str, fresh: float = _FRESH_SECONDS, session: str = ""
    ) -> Shown | None:
        now = self._clock()
        key = video, session
        known = self._known.get(key)
        if known is not None and now - known[1] < fresh:
            return known[0]
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._ask(video, session))
            self._asking[key] = asking
            asking.add_done_callback(lambda task: self._asked(key, task))
        try:
            return await asyncio.shield(asking)
        except UpstreamError:
            if known is not None and now - known[1] < _STALE_SECONDS:
                return known[0]
            raise

    def _asked(self, key: tuple[str, str], task: asyncio.Task[Shown | None]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]

    async def _ask(self, video: str, session: str) -> Shown | None:
        generation = self._generation
        query = f"?session={session}" if session else ""
        try:
            status, body = await self._catalog.get(f"/internal/media/{video}{query}")
        except TimeoutError:
            raise UpstreamError("the catalog took too long") from None
        if status == 200:
            try:
                answer = msgspec.json.decode(body, type=_Visibility)
            except msgspec.DecodeError:
                raise UpstreamError("the catalog's answer has another shape") from None
            shown = answer.visibility
        elif status == 404:
            shown = None
        else:
            raise UpstreamError(f"the catalog answered {status}")
        if generation == self._generation:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[video, session] = (shown, self._clock())
        return shown


class Media:
    """The handler of media routes.

    With ``redirect_base``, the address of a CDN or of the bucket, public media are redirected
    there. ``clock`` is in Unix seconds.
    """

    def __init__(
        self,
        *,
        storage: ObjectStorage,
        visibility: Visibility,
        live: LiveMedia,
        grant_secret: str,
        metrics: MediaMetrics,
        redirect_base: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._visibility = visibility
        self._live = live
        self._grant_secret = grant_secret
        self._metrics = metrics
        self._redirect_base = redirect_base.rstrip("/").encode() if redirect_base else None
        self._clock = clock
        self._paths = MediaPaths()

    async def __call__(self, exchange: Exchange, route: Route) -> None:
        asked = self._paths.read(exchange.path)
        if asked is None or not await self._allowed(asked.token, asked.video):
            await exchange.fail(404)
            return
        token = asked.token
        if asked.name.startswith("live/") and await self._live.send(
            exchange, asked, token=None if token == PUBLIC else token
        ):
            return
        if self._redirect_base is not None and token == PUBLIC:
            location = b"%b/%b" % (self._redirect_base, asked.key.encode())
            await exchange.answer(
                307,
                [
                    (b"location", location),
                    (b"cache-control", b"public, max-age=5"),
                    *media_headers(secure=exchange.secure),
                ],
            )
        else:
            await self._send(
                exchange, asked.key, asked.kind, route.timeout, private=token != PUBLIC
            )

    async def _allowed(self, token: str, video: str) -> bool:
        if token == PUBLIC:
            return await self._visibility.visible(video)
        session = grants.check(self._grant_secret, token, video, self._clock())
        return session is not None and await self._visibility.granted(video, session)

    async def _send(
        self,
        exchange: Exchange,
        key: str,
        kind: tuple[bytes, bytes],
        timeout: float,
        *,
        private: bool,
    ) -> None:
        begun = time.perf_counter()
        asked = [b"%b: %b\r\n" % pair for pair in conditions.readable(exchange.scope["headers"])]
        response = await self._fetch(exchange, key, timeout, asked)
        place = moved.Place(key)
        if response.status in (403, 404) and exchange.method == "GET":
            found = await self._moved(exchange, key)
            if found is not None:
                response.close()
                place = found
                response = await self._fetch(exchange, place.key, timeout, _range_of(place))
        self._metrics.first_byte(key.rpartition(".")[2], time.perf_counter() - begun)
        download = Download(response, lambda more: self._fetch(exchange, place.key, timeout, more))
        if response.status == 206:
            moved.as_replaced(response, place)
        try:
            await self._relay(exchange, response, download, kind, private=private)
        finally:
            response.close()

    async def _moved(self, exchange: Exchange, key: str) -> moved.Place | None:
        """Where the bytes of a missing object are, if compaction has replaced it."""

        # A validator of the replaced object says nothing of another one.
        ranged = b"" if exchange.header(b"if-range") else exchange.header(b"range")
        try:
            return await moved.find(key, ranged, self._storage.read)
        except TimeoutError:
            raise UpstreamError("object storage took too long") from None

    async def _fetch(
        self, exchange: Exchange, key: str, timeout: float, lines: list[bytes]
    ) -> Response:
        """The object's response, once storage has begun to answer."""
        return await self._storage.fetch(
            key, lines, method=exchange.method, timeout=timeout, on_slow=exchange.watch
        )

    async def _relay(
        self,
        exchange: Exchange,
        response: Response,
        download: Download,
        kind: tuple[bytes, bytes],
        *,
        private: bool,
    ) -> None:
        """Pass on what storage answers, with the headers that this kind of file has here."""
        if response.status not in (200, 206, 304):
            await self._refuse(exchange, response)
            return
        content_type, lifetime = kind
        headers: Headers = []
        for pair in response.headers:
            if pair[0] in _PASSED_ON:
                headers.append(pair)
            elif pair[0] == b"cache-control":
                lifetime = pair[1]
        if private:
            lifetime = lifetime.replace(b"public", b"private")
        headers += (
            (b"content-type", content_type),
            (b"cache-control", lifetime),
            (b"accept-ranges", b"bytes"),
            *media_headers(secure=exchange.secure),
        )
        await exchange.stream(response, headers, download)

    async def _refuse(self, exchange: Exchange, response: Response) -> None:
        """Answer for storage, whose error texts must not reach a client."""
        if response.status == 416:
            length = [pair for pair in response.headers if pair[0] == b"content-range"]
            await exchange.fail(416, *length)
        elif response.status in (403, 404):
            await exchange.fail(404)
        else:
            raise UpstreamError(f"object storage answered {response.status}")


def _range_of(place: moved.Place) -> list[bytes]:
    return [] if place.piece is None else [b"range: bytes=%d-%d\r\n" % (place.first, place.last)]
