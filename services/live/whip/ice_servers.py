"""The STUN and TURN servers that publishers are told of (RFC 9725, 4.6)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

from shared.settings import Secret

# Credentials open the TURN server for so long. Who publishes for longer is told new ones when it
# restarts ICE or connects again.
_LIFETIME: Final = 12 * 3600


class TurnSecret(Secret):
    """What the TURN server and this one share (coturn: ``static-auth-secret``)."""

    minimum = 16


class IceServers:
    """``urls``: such as ``stun:turn.example.com:3478``. ``clock``: in Unix seconds."""

    def __init__(
        self,
        urls: Sequence[str] = (),
        secret: TurnSecret | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._urls = tuple(urls)
        self._secret = secret
        self._clock = clock

    def links(self, name: str) -> list[str]:
        """Values of the header Link, for the publisher of this name.

        Credentials are those of TURN's REST API, which coturn and others take: the user's name
        says when they end, and the password is its HMAC.
        """
        return [f'<{url}>; rel="ice-server"{self._credentials(url, name)}' for url in self._urls]

    def _credentials(self, url: str, name: str) -> str:
        if self._secret is None or not url.startswith(("turn:", "turns:")):
            return ""
        user = f"{int(self._clock()) + _LIFETIME}:{name}"
        # The API knows no other hash.
        digest = hmac.new(self._secret.encode(), user.encode(), hashlib.sha1).digest()
        password = base64.b64encode(digest).decode()
        return f'; username="{user}"; credential="{password}"; credential-type="password"'
