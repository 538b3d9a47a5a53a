"""Polls auth's JWKS every few seconds, with If-None-Match.

A logout thus takes effect everywhere without a call to auth for each request. While auth is down,
the last known keys stay in use.
"""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from shared.http.jwks import KeyDocument, Keys, parse_keys
from shared.loops.cancellation import end
from shared.loops.loops import Loops
from shared.telemetry import get_logger

_log = get_logger(__name__)

POLL_SECONDS: Final = 5.0
MIN_REFETCH_SECONDS: Final = 2.0
_TIMEOUT: Final = 3.0
_MAX_BYTES: Final = 4 * 1024 * 1024
# Of one fetch: no answer, a document that is too large or not valid.
_FAILURES: Final = (OSError, ValueError, msgspec.MsgspecError)


class JwksClient:
    """Polls ``JWKS_URL``."""

    def __init__(self, url: str, loops: Loops) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("JWKS_URL must start with http:// or https://")
        self._url = url
        self._loops = loops
        self._etag: str | None = None
        self._lock = asyncio.Lock()
        # When the last fetch ended, however it ended.
        self._fetched_at = -MIN_REFETCH_SECONDS
        self.current: Keys | None = None

    async def refetch(self) -> None:
        """However many wait, one fetch is for all of them: auth may take its time to fail."""
        async with self._lock:
            if time.monotonic() - self._fetched_at < MIN_REFETCH_SECONDS:
                return
            try:
                await self._fetch()
            except _FAILURES as error:
                _log.warning("keys not fetched", reason=str(error))

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        polling = asyncio.create_task(self._loops.repeat("fetch keys", self._poll, POLL_SECONDS))
        try:
            yield
        finally:
            await end([polling])

    async def _poll(self) -> None:
        async with self._lock:
            await self._fetch()

    async def _fetch(self) -> None:
        try:
            answer = await asyncio.to_thread(_get, self._url, self._etag)
        finally:
            self._fetched_at = time.monotonic()
        if answer is not None:
            raw, etag = answer
            self.current = parse_keys(msgspec.json.decode(raw, type=KeyDocument))
            self._etag = etag


def _get(url: str, etag: str | None) -> tuple[bytes, str | None] | None:
    """Body and ETag; None if unchanged. Raises OSError, or ValueError for a document too large."""
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    if etag is not None:
        request.add_header("if-none-match", etag)
    try:
        with direct.open(request, timeout=_TIMEOUT) as response:
            raw = response.read(_MAX_BYTES + 1)
            if len(raw) > _MAX_BYTES:
                raise ValueError("the key document is too large")
            return raw, response.headers.get("etag")
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return None
        raise
