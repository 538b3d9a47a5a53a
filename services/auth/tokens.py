"""Access tokens are signed and last minutes; refresh tokens are random and last weeks."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.contracts import new_id
from shared.http.access_tokens import ALGORITHM, TOKEN_TYPE

ACCESS_LIFETIME: Final = timedelta(minutes=15)
_REFRESH_BYTES: Final = 32
MAX_REFRESH_LENGTH: Final = 128


class SigningKey(msgspec.Struct, frozen=True):
    """A private key and its published id."""

    kid: str
    private: EllipticCurvePrivateKey


class Signer(Protocol):
    """Holds the key that signs now."""

    @property
    def signing(self) -> SigningKey: ...


class AccessTokens:
    """Issues access tokens (RFC 9068) for ``issuer`` and ``audience``."""

    def __init__(self, keys: Signer, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def issue(self, user_id: str, username: str, session_id: str, now: datetime) -> str:
        """A token that identifies the user for 15 minutes."""
        key = self._keys.signing
        seconds = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user_id,
            "username": username,
            "sid": session_id,
            "jti": new_id(),
            "iat": seconds,
            "nbf": seconds,
            "exp": seconds + int(ACCESS_LIFETIME.total_seconds()),
        }
        headers = {"kid": key.kid, "typ": TOKEN_TYPE}
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)


def new_refresh_token() -> str:
    """256 random bits, base64url."""
    return secrets.token_urlsafe(_REFRESH_BYTES)


class Successors:
    """The refresh token that follows another one, derived from it and a secret.

    Callers who present one token at the same time get one successor, though only hashes of tokens
    are stored. Nobody derives it without the secret.
    """

    def __init__(self, secret: str) -> None:
        derive = HKDF(SHA256(), 32, None, b"cinelog auth refresh tokens v1")
        self._key = derive.derive(secret.encode())

    def of(self, token: str) -> str:
        """256 bits, base64url."""
        digest = hmac.digest(self._key, token.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def refresh_token_hash(token: str) -> bytes:
    """The stored form of a token. A fast hash is enough: a token has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
