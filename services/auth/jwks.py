"""What verifiers poll: the public keys and the sessions that ended early, as one document.

Auth's own verifier reads it here, without HTTP, by the same rules as everybody else.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from services.auth.tokens import ACCESS_LIFETIME
from shared.http.access_tokens import LEEWAY_SECONDS
from shared.http.jwks_client import Jwk, KeyDocument, Keys, parse_keys
from shared.telemetry import get_logger

REFRESH_SECONDS: Final = 2.0
REVOKED_FOR: Final = ACCESS_LIFETIME + timedelta(seconds=LEEWAY_SECONDS) + timedelta(minutes=1)
"""How long a revocation must be told: until the last access token of the session is dead."""

MAX_REVOKED: Final = 50_000
"""Some 2 MB of them. Verifiers refuse a document above 4 MiB: keys must still get through then."""


class PublishedKeys(Protocol):
    """The signing keys, as far as this module needs them."""

    @property
    def published(self) -> tuple[Jwk, ...]: ...

    async def refresh(self, now: datetime) -> None: ...


class Revocations(Protocol):
    """Where ended sessions are found."""

    async def revoked_since(self, since: datetime, limit: int) -> list[str]: ...


class KeyDocuments:
    """Keeps the document fresh; a ``KeySource`` for auth's own verifier."""

    def __init__(
        self, keys: PublishedKeys, revocations: Revocations, clock: Callable[[], datetime]
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._clock = clock
        self.current: Keys | None = None
        self.body = b""
        self.etag = ""

    async def refetch(self) -> None:
        """Nothing to do: this is where keys come from."""

    async def refresh(self) -> None:
        """Read keys and revocations anew."""
        now = self._clock()
        await self._keys.refresh(now)
        revoked = await self._revocations.revoked_since(now - REVOKED_FOR, MAX_REVOKED)
        if len(revoked) == MAX_REVOKED:
            get_logger(__name__).warning("not all ended sessions fit into the key document")
        document = KeyDocument(keys=self._keys.published, revoked_sessions=tuple(revoked))
        body = msgspec.json.encode(document)
        if body != self.body:
            self.body = body
            self.etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            self.current = parse_keys(document)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        await self.refresh()
        task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _poll(self) -> None:
        log = get_logger(__name__)
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except Exception as error:
                log.warning("the key document is stale", reason=repr(error))
