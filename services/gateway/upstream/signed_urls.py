"""Signed addresses of objects (SigV4, by botocore), kept while they are valid."""

from collections.abc import Callable
from typing import Final

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# Seconds that a signature is valid, and that the gateway uses it.
_VALID_SECONDS: Final = 3600
_USED_SECONDS: Final = 1800
_MAX_KNOWN: Final = 20_000


class SignedUrls:
    """Signs requests for objects of one bucket, addressed path-style."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        clock: Callable[[], float],
    ) -> None:
        self._base = endpoint.rstrip("/")
        self._bucket = bucket
        self._credentials = Credentials(access_key, secret_key)
        self._region = region
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[bytes, float]] = {}

    def target(self, method: str, key: str) -> bytes:
        """The request target (path and query) for ``key``, whose characters need no escapes."""
        now = self._clock()
        known = self._known.get((method, key))
        if known is not None and now < known[1]:
            return known[0]
        request = AWSRequest(method, f"{self._base}/{self._bucket}/{key}")
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=_VALID_SECONDS).add_auth(
            request
        )
        target = str(request.url).removeprefix(self._base).encode()
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[method, key] = (target, now + _USED_SECONDS)
        return target
