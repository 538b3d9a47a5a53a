"""The public keys that tokens are checked with, and the sessions that were ended early.

One document carries both: auth's JWKS (RFC 7517), whose extra member ``revoked_sessions`` lists
the sessions that ended while tokens of theirs may still be alive. It is polled every few seconds
with If-None-Match, so that a logout reaches every service soon without a call per request; when
auth is down, what was known last stays in use.
"""

import asyncio
import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from shared.telemetry import get_logger

POLL_SECONDS: Final = 5.0
MIN_REFETCH_SECONDS: Final = 2.0
_TIMEOUT: Final = 3.0
_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_KEYS: Final = 16


class Jwk(msgspec.Struct, frozen=True, kw_only=True):
    """An ES256 public key (RFC 7517, RFC 7518 section 6.2)."""

    kid: str
    x: str
    y: str
    kty: str = "EC"
    crv: str = "P-256"
    alg: str = "ES256"
    use: str = "sig"


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What auth publishes at /.well-known/jwks.json."""

    keys: tuple[Jwk, ...]
    revoked_sessions: tuple[str, ...] = ()


class Keys(msgspec.Struct, frozen=True):
    """Keys by id, and ended sessions, as known at one moment."""

    public: Mapping[str, EllipticCurvePublicKey]
    revoked: frozenset[str]


class KeySource(Protocol):
    """Where a verifier gets its keys from."""

    @property
    def current(self) -> Keys | None:
        """What is known now; None before the first answer."""
        ...

    async def refetch(self) -> None:
        """Look again, because a token names an unknown key. Rate-limited; never raises."""
        ...

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Keeps ``current`` fresh for as long as it is entered."""
        ...


def parse_keys(document: KeyDocument) -> Keys:
    """The usable keys of a document; what is not an ES256 signing key is left out."""
    public: dict[str, EllipticCurvePublicKey] = {}
    for jwk in document.keys[:_MAX_KEYS]:
        if (jwk.kty, jwk.crv, jwk.alg, jwk.use) != ("EC", "P-256", "ES256", "sig"):
            continue
        fields: dict[str, Any] = msgspec.to_builtins(jwk)
        try:
            key: Any = PyJWK(fields, algorithm="ES256").key
        except PyJWTError:
            continue
        if isinstance(key, EllipticCurvePublicKey):
            public[jwk.kid] = key
    return Keys(public, frozenset(document.revoked_sessions))


class JwksClient:
    """Keys from ``JWKS_URL``."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("JWKS_URL must start with http:// or https://")
        self._url = url
        self._etag: str | None = None
        self._lock = asyncio.Lock()
        self._fetched_at = -MIN_REFETCH_SECONDS
        self._failing = False
        self._log = get_logger("http.keys")
        self.current: Keys | None = None

    async def refetch(self) -> None:
        async with self._lock:
            if time.monotonic() - self._fetched_at < MIN_REFETCH_SECONDS:
                return
            await self._fetch()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _poll(self) -> None:
        while True:
            async with self._lock:
                await self._fetch()
            await asyncio.sleep(1.0 if self.current is None else POLL_SECONDS)

    async def _fetch(self) -> None:
        self._fetched_at = time.monotonic()
        try:
            answer = await asyncio.to_thread(_get, self._url, self._etag)
            if answer is not None:
                raw, self._etag = answer
                self.current = parse_keys(msgspec.json.decode(raw, type=KeyDocument))
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            if not self._failing:
                self._log.warning("the keys cannot be fetched", reason=str(error))
            self._failing = True
        else:
            self._failing = False


def _get(url: str, etag: str | None) -> tuple[bytes, str | None] | None:
    """Body and ETag; None where nothing has changed. Raises OSError, or ValueError if too large."""
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
