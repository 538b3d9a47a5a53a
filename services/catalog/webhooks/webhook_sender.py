"""Sends a message to a URL of a user's choice, protected against server-side request forgery."""

import asyncio
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import httpx

from services.catalog.webhooks.webhooks import checked_url
from shared.errors import InvalidInput
from shared.loops.cancellation import check_cancelled
from shared.public_addresses import Reach

_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
# A lookup cannot be cancelled: slow ones must not hold up others, nor the process's other threads.
_LOOKUPS: Final = 128


# The same for a name that is unknown and for one of the installation's own network: what differed
# would tell which names there are.
_UNREACHABLE: Final = "the host is not on the internet"


class NotDelivered(Exception):
    """The reason is for the webhook's owner. ``gone``: the receiver answered 410."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


class WebhookSender:
    """POSTs to the address that was resolved and checked, so a second lookup cannot give another
    one. It follows no redirect and reads only the status of the answer."""

    def __init__(self, client: httpx.AsyncClient, reach: Reach) -> None:
        self._client = client
        self._reach = reach
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup")

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send one message. Raises NotDelivered unless the receiver answers 2xx within 15 s."""
        try:
            checked_url(url, self._reach)
            async with asyncio.timeout(15):
                status = await self._post(url, headers, body)
        except InvalidInput as error:
            raise NotDelivered(error.message) from error
        except NotDelivered:
            raise
        except Exception as error:
            # Whatever a receiver answers, such as a Location that is no address.
            check_cancelled()
            late = isinstance(error, (TimeoutError, httpx.TimeoutException))
            words = "no answer in time" if late else "no answer that can be read"
            raise NotDelivered(words) from error
        if not 200 <= status < 300:
            raise NotDelivered(f"answered {status}", gone=status == httpx.codes.GONE)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._resolve(host, port, encrypted=parts.scheme == "https")
        pinned = httpx.URL(url).copy_with(host=address, port=port)
        async with self._client.stream(
            "POST",
            pinned,
            content=body,
            headers={**headers, "host": parts.netloc, "content-type": "application/json"},
            extensions={"sni_hostname": host},
            timeout=_TIMEOUT,
            follow_redirects=False,
        ) as response:
            return response.status_code

    async def _resolve(self, host: str, port: int, *, encrypted: bool) -> str:
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._lookups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise NotDelivered(_UNREACHABLE) from error
        addresses = [str(entry[4][0]) for entry in found]
        # One private address among public ones suffices to refuse the host.
        if not all(self._reach.allows(address, encrypted=encrypted) for address in addresses):
            raise NotDelivered(_UNREACHABLE)
        return addresses[0]
