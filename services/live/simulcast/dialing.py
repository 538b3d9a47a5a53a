"""Connects to targets, protected against server-side request forgery."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from services.live.simulcast.connection import TargetFailed
from services.live.simulcast.targets import Place
from shared.public_addresses import Reach

_CONNECT_SECONDS: Final = 10.0
# A lookup cannot be cancelled: slow ones must not hold up others.
_LOOKUPS: Final = 16
# The same for a name that is unknown and for one of the installation's own network: what differed
# would tell which names there are.
_UNREACHABLE: Final = "The host is not on the internet."
NO_ANSWER: Final = "It does not answer."

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Dialer:
    """Connects to the very address that was resolved and checked."""

    def __init__(
        self,
        reach: Reach,
        trusted: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._reach = reach
        self._trusted = trusted
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="simulcast lookup")

    async def dial(self, place: Place) -> Streams:
        """Raises TargetFailed."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                address = await self._found(place)
                return await asyncio.open_connection(
                    address,
                    place.port,
                    ssl=self._trusted() if place.scheme == "rtmps" else None,
                    server_hostname=place.host if place.scheme == "rtmps" else None,
                )
        except TimeoutError:
            raise TargetFailed(NO_ANSWER) from None
        except ssl.SSLError:
            raise TargetFailed("It has no valid certificate.") from None
        except OSError:
            raise TargetFailed("It does not accept connections.") from None

    async def resolve(self, place: Place) -> str:
        """An address that may be called, where something else connects. Raises TargetFailed."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self._found(place)
        except TimeoutError:
            raise TargetFailed(NO_ANSWER) from None

    async def _found(self, place: Place) -> str:
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._lookups,
                lambda: socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM),
            )
        except (OSError, UnicodeError):
            raise TargetFailed(_UNREACHABLE) from None
        addresses = [str(entry[4][0]) for entry in found]
        # One private address among public ones suffices to refuse the host.
        if not all(self._reach.allows(address, encrypted=True) for address in addresses):
            raise TargetFailed(_UNREACHABLE)
        return addresses[0]
