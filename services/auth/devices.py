"""Devices on which somebody has logged in: their cookies, issued and read."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from services.auth.tokens import Signer
from shared.http.device_cookies import Device, read_device, sign_device
from shared.http.jwks import Keys


class PublicKeys(Protocol):
    """The public keys as auth publishes them."""

    @property
    def current(self) -> Keys | None: ...


class Devices:
    """Signs with the key of access tokens, so that the gateway can read the cookies, too."""

    def __init__(
        self, signer: Signer, keys: PublicKeys, *, issuer: str, clock: Callable[[], datetime]
    ) -> None:
        self._signer = signer
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    def read(self, cookie: str) -> Device | None:
        """The device that sends this cookie, None where it is not known."""
        return read_device(cookie, self._keys.current, issuer=self._issuer)

    def cookie_after_login(self, device: Device | None, user_id: str, client: str) -> str:
        """The cookie of a device on which this user has just shown that they know the password.

        Without a cookie, a user's devices at one address are one: whoever throws cookies away does
        not get a budget with each new one.
        """
        known = (device or Device(_device_id(user_id, client))).after_login(user_id)
        key = self._signer.signing
        return sign_device(known, key.kid, key.private, self._clock(), issuer=self._issuer)


def _device_id(user_id: str, client: str) -> str:
    return hashlib.sha256(f"device\0{user_id}\0{client}".encode()).hexdigest()[:32]
