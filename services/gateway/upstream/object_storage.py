"""Requests for objects of the media bucket, by signed addresses."""

from collections.abc import Callable, Iterable

from services.gateway.http1.h1_client import Response
from services.gateway.upstream.signed_urls import SignedUrls
from services.gateway.upstream.upstreams import Upstream


class ObjectStorage:
    """The media bucket. All raise UpstreamError where it does not answer."""

    def __init__(self, storage: Upstream, signed_urls: SignedUrls) -> None:
        self._storage = storage
        self._signed_urls = signed_urls

    async def fetch(
        self,
        key: str,
        lines: Iterable[bytes],
        *,
        timeout: float,
        on_slow: Callable[[Response], None],
        method: str = "GET",
    ) -> Response:
        """The object's response, once storage has begun to answer; ``lines`` are headers.

        ``timeout``: seconds without a byte.
        """
        head = [
            b"%b %b HTTP/1.1\r\nhost: %b\r\n"
            % (
                method.encode(),
                self._signed_urls.target(method, key),
                self._storage.authority,
            )
        ]
        return await self._storage.request(
            b"".join((*head, *lines, b"\r\n")),
            idempotent=True,
            without_body=method == "HEAD",
            timeout=timeout,
            on_slow=on_slow,
        )

    async def read(self, key: str, *, max_bytes: int = 1 << 22) -> tuple[int, bytes]:
        """Status and body of a small object. Raises TimeoutError, too."""
        target = self._signed_urls.target("GET", key).decode()
        return await self._storage.get(target, max_bytes=max_bytes)
