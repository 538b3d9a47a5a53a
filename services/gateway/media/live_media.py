"""What the owner of a running live has, answered to viewers, who are counted by it."""

import time
from typing import Final

from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.media.media_paths import IMMUTABLE, MediaPath
from services.gateway.observability.media_metrics import MediaMetrics
from services.gateway.request.exchange import Exchange, Headers
from services.gateway.security_headers import media_headers
from services.gateway.upstream.live_origin import LiveOrigin
from services.gateway.upstream.live_viewers import LiveViewers

_PLAYLIST: Final = b"public, max-age=1"


class LiveMedia:
    """Playlists, parts and segments of running lives."""

    def __init__(self, origin: LiveOrigin, viewers: LiveViewers, metrics: MediaMetrics) -> None:
        self._origin = origin
        self._viewers = viewers
        self._metrics = metrics

    async def send(self, exchange: Exchange, asked: MediaPath, *, token: str | None) -> bool:
        """Answer with what the owner has. False: the bucket may have it.

        ``token``: the grant; None where the video is public. Raises UpstreamError.
        """
        begun = time.perf_counter()
        video, name = asked.video, asked.name
        try:
            found = await self._origin.find(video, name, exchange.query)
        except UpstreamError:
            if name.endswith((".m3u8", ".mpd")):
                raise
            # What was recorded can be played while live is away.
            return False
        if found is None:
            return False
        self._metrics.first_byte(name.rpartition(".")[2], time.perf_counter() - begun)
        if found.status != 200:
            exchange.joined = found.joined
            await exchange.fail(found.status)
            return True
        if not found.lasting:
            self._count(exchange, video, token)
        lifetime = IMMUTABLE if found.lasting else _PLAYLIST
        if token is not None:
            lifetime = lifetime.replace(b"public", b"private")
        headers: Headers = [
            (b"content-type", asked.kind[0]),
            (b"content-length", b"%d" % len(found.body)),
            (b"cache-control", lifetime),
            *media_headers(secure=exchange.secure),
        ]
        await exchange.send_whole(headers, found.body)
        return True

    def _count(self, exchange: Exchange, video: str, token: str | None) -> None:
        """A playlist was reloaded. Copies of a grant are one viewer, whatever plays them."""
        program = exchange.header(b"user-agent") if token is None else token.split(".")[1].encode()
        self._viewers.saw(video, exchange.client, program)
