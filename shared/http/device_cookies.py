"""The cookie by which a device is known again on which somebody has logged in before.

It is a token that auth signs with the key of access tokens, under another type: it names the
device and the accounts that have logged in on it, and authorises nothing. Guesses from a known
device are counted for that device and not for the account as a whole (OWASP, "Slow down online
guessing attacks with device cookies").
"""

from datetime import datetime, timedelta
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt.exceptions import PyJWTError

from shared.http.access_tokens import ALGORITHM
from shared.http.jwks import Keys

DEVICE_COOKIE: Final = "cinelog_device"
REFRESH_COOKIE: Final = "cinelog_refresh"
"""Holds a browser's refresh token. Only auth reads it; the gateway counts who sends it apart."""

DEVICE_LIFETIME: Final = timedelta(days=30)
"""A key signs for 30 days and is published for 30 more, so that no cookie outlives its key."""

MAX_ACCOUNTS: Final = 8
_TYPE: Final = "device+jwt"
_AUDIENCE: Final = "cinelog-devices"
_MAX_BYTES: Final = 2048


class Device(msgspec.Struct, frozen=True):
    """``accounts`` are the ids of users who have logged in on it, the last one first."""

    device_id: str
    accounts: tuple[str, ...] = ()

    def knows(self, user_id: str) -> bool:
        """Whether this user has logged in on the device."""
        return user_id in self.accounts

    def after_login(self, user_id: str) -> "Device":
        """The device after this user has logged in on it."""
        others = tuple(each for each in self.accounts if each != user_id)
        return Device(self.device_id, (user_id, *others)[:MAX_ACCOUNTS])


def sign_device(
    device: Device, kid: str, private: EllipticCurvePrivateKey, now: datetime, *, issuer: str
) -> str:
    """The cookie's value."""
    claims = {
        "iss": issuer,
        "aud": _AUDIENCE,
        "jti": device.device_id,
        "exp": int((now + DEVICE_LIFETIME).timestamp()),
        "accounts": list(device.accounts),
    }
    return jwt.encode(claims, private, algorithm=ALGORITHM, headers={"kid": kid, "typ": _TYPE})


def read_device(value: str, keys: Keys | None, *, issuer: str) -> Device | None:
    """The device of a cookie, None where it is forged, expired or signed by a withdrawn key."""
    if keys is None or not value or len(value) > _MAX_BYTES or not value.isascii():
        return None
    try:
        header = jwt.get_unverified_header(value)
        key = keys.public.get(header.get("kid", ""))
        if key is None or header.get("typ") != _TYPE:
            return None
        claims: dict[str, Any] = jwt.decode(
            value,
            key,
            algorithms=[ALGORITHM],
            issuer=issuer,
            audience=_AUDIENCE,
            options={"require": ["iss", "aud", "jti", "exp", "accounts"]},
        )
        return msgspec.convert({"device_id": claims["jti"], "accounts": claims["accounts"]}, Device)
    except (PyJWTError, msgspec.ValidationError, ValueError, TypeError):
        return None


def cookie_value(header: str, name: str) -> str:
    """The value of a cookie in a Cookie header (RFC 6265), "" where it is missing."""
    for pair in header.split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""
