"""The keys that verify access tokens and the sessions that were revoked, in one document.

Auth publishes both in its JWKS (RFC 7517): the additional member ``revoked_sessions`` lists the
revoked sessions whose tokens may not have expired yet.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

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
    """The document at auth's /.well-known/jwks.json."""

    keys: tuple[Jwk, ...]
    revoked_sessions: tuple[str, ...] = ()


class Keys(msgspec.Struct, frozen=True):
    """A snapshot: public keys by id, and revoked sessions."""

    public: Mapping[str, EllipticCurvePublicKey]
    revoked: frozenset[str]


class KeySource(Protocol):
    """Provides a verifier with keys."""

    @property
    def current(self) -> Keys | None:
        """The last known keys; None before the first answer."""
        ...

    async def refetch(self) -> None:
        """Fetch again, because a token names an unknown key. Rate-limited; never raises."""
        ...

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Refreshes ``current`` while the context is entered."""
        ...


def parse_keys(document: KeyDocument) -> Keys:
    """The usable keys of a document: those that are not ES256 signing keys are ignored."""
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
