"""The keys that sign access tokens: encrypted in auth's table, published, rotated.

A new key is published before it is used, so that every verifier knows it in time, and an old one
until the last token that it signed has expired. Private keys are sealed with AES-256-GCM under a
key derived from SIGNING_KEY_SECRET (HKDF, RFC 5869); the key id is authenticated with them.
"""

import hashlib
import json
import os
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.utils import base64url_encode
from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.auth.tables import signing_keys
from services.auth.tokens import ACCESS_LIFETIME, SigningKey
from shared.http.jwks import Jwk
from shared.settings import SettingsError

LEAD: Final = timedelta(minutes=10)
"""How long a key is published before it is used."""

MAX_AGE: Final = timedelta(days=30)
"""How long a key signs before the next one is made."""

_KEPT: Final = ACCESS_LIFETIME + timedelta(minutes=5)
_ROTATION_LOCK: Final = 7_100_010
_NONCE: Final = 12


class WrongKeySecret(SettingsError):
    """SIGNING_KEY_SECRET does not decrypt the keys in the table."""


class StoredKey(msgspec.Struct, frozen=True):
    """A key pair, when it was made, and when it begins to sign."""

    jwk: Jwk
    private: ec.EllipticCurvePrivateKey
    created_at: datetime
    active_at: datetime


class Sealer:
    """Encrypts private keys for the table."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(SHA256(), 32, None, b"cinelog auth signing keys v1").derive(secret.encode())
        self._cipher = AESGCM(derived)

    def seal(self, kid: str, private: ec.EllipticCurvePrivateKey) -> bytes:
        """Nonce and ciphertext."""
        plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, kid.encode())

    def open(self, kid: str, sealed: bytes) -> ec.EllipticCurvePrivateKey:
        """Raises WrongKeySecret."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], kid.encode())
        except InvalidTag:
            raise WrongKeySecret(
                "SIGNING_KEY_SECRET does not decrypt the signing keys in the database"
            ) from None
        key = load_der_private_key(plain, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise WrongKeySecret("the signing keys in the database are of another kind")
        return key


class SigningKeys:
    """The current keys. ``refresh`` reads them; ``rotate`` makes the next one."""

    def __init__(self, engine: AsyncEngine, secret: str) -> None:
        self._engine = engine
        self._sealer = Sealer(secret)
        self._opened: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._keys: list[StoredKey] = []
        self._now: datetime | None = None

    @property
    def signing(self) -> SigningKey:
        """The newest key that signs now. Raises LookupError before the first ``refresh``."""
        if self._now is None or not self._keys:
            raise LookupError("the signing keys were not read yet")
        key = current(self._keys, self._now)
        return SigningKey(key.jwk.kid, key.private)

    @property
    def published(self) -> tuple[Jwk, ...]:
        """The public keys that verifiers need to know."""
        return tuple(key.jwk for key in self._keys)

    async def refresh(self, now: datetime) -> None:
        """Read the keys; make the first one, or the next where the newest is older than MAX_AGE."""
        async with self._engine.connect() as connection:
            keys = await self._read(connection)
        if not keys or now - keys[-1].created_at >= MAX_AGE:
            await self.rotate(now, only_if_older_than=MAX_AGE)
            async with self._engine.connect() as connection:
                keys = await self._read(connection)
        self._keys, self._now = keys, now

    async def rotate(self, now: datetime, only_if_older_than: timedelta = timedelta(0)) -> str:
        """Make the next key and delete those whose tokens have all expired; returns the newest id.

        One process at a time; the second one finds a young key and makes none.
        """
        async with self._engine.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_ROTATION_LOCK)))
            keys = await self._read(connection)
            if keys and now - keys[-1].created_at < only_if_older_than:
                return keys[-1].jwk.kid
            kid = await self._add(connection, now, now + LEAD if keys else now)
            expired = [key.jwk.kid for key in keys if key not in still_needed(keys, now)]
            await connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(expired)))
        return kid

    async def _add(self, connection: AsyncConnection, now: datetime, active_at: datetime) -> str:
        private = ec.generate_private_key(ec.SECP256R1())
        jwk = public_jwk(private)
        await connection.execute(
            insert(signing_keys).values(
                kid=jwk.kid,
                public_x=jwk.x,
                public_y=jwk.y,
                private_key=self._sealer.seal(jwk.kid, private),
                created_at=now,
                active_at=active_at,
            )
        )
        return jwk.kid

    async def _read(self, connection: AsyncConnection) -> list[StoredKey]:
        rows = await connection.execute(
            select(signing_keys).order_by(signing_keys.c.active_at, signing_keys.c.kid)
        )
        return [self._stored(row) for row in rows]

    def _stored(self, row: Row[Any]) -> StoredKey:
        private = self._opened.get(row.kid)
        if private is None:
            private = self._opened[row.kid] = self._sealer.open(row.kid, row.private_key)
        jwk = Jwk(kid=row.kid, x=row.public_x, y=row.public_y)
        return StoredKey(jwk, private, row.created_at, row.active_at)


def current(keys: list[StoredKey], now: datetime) -> StoredKey:
    """The newest active key. ``keys`` are in the order of ``active_at``, and not empty."""
    active = [key for key in keys if key.active_at <= now]
    return active[-1] if active else keys[0]


def still_needed(keys: list[StoredKey], now: datetime) -> list[StoredKey]:
    """``keys`` without those whose tokens have all expired since their successor became active."""
    return [
        key
        for key, successor in zip(keys, [*keys[1:], None], strict=True)
        if successor is None or now - successor.active_at < _KEPT
    ]


def public_jwk(private: ec.EllipticCurvePrivateKey) -> Jwk:
    """The public half, with its thumbprint as id (RFC 7638)."""
    numbers = private.public_key().public_numbers()
    x = base64url_encode(numbers.x.to_bytes(32, "big")).decode()
    y = base64url_encode(numbers.y.to_bytes(32, "big")).decode()
    canonical = json.dumps(
        {"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"), sort_keys=True
    )
    kid = base64url_encode(hashlib.sha256(canonical.encode()).digest()).decode()
    return Jwk(kid=kid, x=x, y=y)
