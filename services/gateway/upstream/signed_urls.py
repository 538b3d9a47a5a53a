"""Requests to object storage, signed here (SigV4 by botocore) and remembered."""

import time
from collections.abc import Callable

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_VALID = 3600  # seconds a signature is good for
_REUSED = 1800  # seconds we use it
_REMEMBERED = 20_000


class SignedUrls:
    """Request targets (path and query) for objects of one bucket, path-style."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = endpoint.rstrip("/")
        self._bucket = bucket
        self._credentials = Credentials(access_key, secret_key)
        self._region = region
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[bytes, float]] = {}

    def target(self, method: str, key: str) -> bytes:
        """The target that fetches `key`, a key of plain characters."""
        now = self._clock()
        known = self._known.get((method, key))
        if known is not None and now < known[1]:
            return known[0]
        request = AWSRequest(method, f"{self._base}/{self._bucket}/{key}")
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=_VALID).add_auth(request)
        target = str(request.url).removeprefix(self._base).encode()
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[method, key] = (target, now + _REUSED)
        return target
