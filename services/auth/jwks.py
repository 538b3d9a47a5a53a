"""The document that verifiers poll: public keys (RFC 7517) and sessions that ended early.

Auth's own verifier reads it here, without HTTP, by the same rules as all others.
"""

import contextlib
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from services.auth.tokens import ACCESS_LIFETIME
from shared.http.access_tokens import LEEWAY_SECONDS
from shared.http.jwks import Jwk, KeyDocument, Keys, parse_keys
from shared.telemetry import get_logger

REFRESH_SECONDS: Final = 2.0
REVOKED_FOR: Final = ACCESS_LIFETIME + timedelta(seconds=LEEWAY_SECONDS) + timedelta(minutes=1)
"""How long a revocation is published: until the session's last access token has expired."""

MAX_REVOKED: Final = 50_000
"""About 2 MB of ids. Verifiers refuse a document above 4 MiB, and keys must still reach them."""


class PublishedKeys(Protocol):
    """The public half of the signing keys."""

    @property
    def published(self) -> tuple[Jwk, ...]: ...

    async def refresh(self, now: datetime) -> None: ...


class Revocations(Protocol):
    """Where ended sessions are found."""

    async def revoked_since(self, since: datetime, limit: int) -> list[str]: ...


class JwksPublisher:
    """Holds the document; implements ``KeySource`` for auth's own verifier."""

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
        """Does nothing: an unknown key is unknown here, too."""

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Does nothing: the process repeats ``refresh``."""
        return contextlib.nullcontext()

    async def refresh(self) -> None:
        """Read keys and revocations from the database. Raises WrongKeySecret."""
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
