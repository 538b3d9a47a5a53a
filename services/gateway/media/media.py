"""``/media/{token}/{video}/…``: playlists, segments and images from the media bucket.

``token`` is a signed grant, or ``public`` for videos that others may see by the catalog. URIs
in playlists are relative, so a player keeps the grant, or follows the redirect, of its playlist.
A grant ends with its session. A deleted video is refused with a grant, too: its objects stay in the
bucket for a while.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Final

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.media.captioned import (
    captioned,
    may_name_captions,
    media_playlist,
)
from services.gateway.media.live_media import LiveMedia
from services.gateway.media.media_paths import PUBLIC, MediaPath, MediaPaths
from services.gateway.media.visibility import Visibility
from services.gateway.observability.media_metrics import MediaMetrics
from services.gateway.request import conditions
from services.gateway.request.exchange import Exchange, Headers
from services.gateway.request.routes import Route
from services.gateway.security_headers import media_headers
from services.gateway.upstream import moved
from services.gateway.upstream.download import Download
from services.gateway.upstream.object_storage import ObjectStorage
from shared.http import grants

# Of a playlist or a manifest; that of a day's film has some megabytes.
_MAX_PLAYLIST: Final = 1 << 24
_PASSED_ON: Final = frozenset((b"content-length", b"content-range", b"etag", b"last-modified"))


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
        if may_name_captions(asked.name) and await self._send_captioned(exchange, asked):
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

    async def _send_captioned(self, exchange: Exchange, asked: MediaPath) -> bool:
        """Answer with captions among what is listed; False where the object itself is right."""
        private = asked.token != PUBLIC
        session = private and grants.check(
            self._grant_secret, asked.token, asked.video, self._clock()
        )
        captions = await self._visibility.captions(asked.video, session or "")
        if captions is None:
            return False
        body = media_playlist(asked.name, captions)
        if body is None:
            try:
                status, found = await self._storage.read(asked.key, max_bytes=_MAX_PLAYLIST)
            except (UpstreamError, TimeoutError):
                # It is too large, or the object's own answer says what is wrong.
                return False
            if status != 200:
                return False
            body = captioned(asked.name, found.decode(), captions)
        await _answer(exchange, body.encode(), asked.kind, private=private)
        return True

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


async def _answer(
    exchange: Exchange, body: bytes, kind: tuple[bytes, bytes], *, private: bool
) -> None:
    """A document that was made just now, whole: nobody asks for a part of a playlist."""
    content_type, lifetime = kind
    etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
    headers: Headers = [
        (b"content-type", content_type),
        (b"cache-control", lifetime.replace(b"public", b"private") if private else lifetime),
        (b"etag", etag),
        *media_headers(secure=exchange.secure),
    ]
    if conditions.matches(exchange.header(b"if-none-match"), etag):
        await exchange.answer(304, headers)
        return
    headers.append((b"content-length", b"%d" % len(body)))
    await exchange.answer(200, headers, body)


def _range_of(place: moved.Place) -> list[bytes]:
    return [] if place.piece is None else [b"range: bytes=%d-%d\r\n" % (place.first, place.last)]
