"""Signed addresses of objects (SigV4, by botocore), kept while they are valid."""

from collections.abc import Callable
from typing import Final

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from services.gateway.upstream.signing_keys import SigningKeys

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
        keys: SigningKeys,
        bucket: str,
        clock: Callable[[], float],
    ) -> None:
        self._base = endpoint.rstrip("/")
        self._bucket = bucket
        self._keys = keys
        self._signed_with = keys.current
        self._region = region
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[bytes, float]] = {}

    def target(self, method: str, key: str) -> bytes:
        """The request target (path and query) for ``key``, whose characters need no escapes."""
        now, keys = self._clock(), self._keys.current
        if keys is not self._signed_with:
            # An address is good as long as the keys that have signed it, and these end first.
            self._known.clear()
            self._signed_with = keys
        known = self._known.get((method, key))
        if known is not None and now < known[1]:
            return known[0]
        request = AWSRequest(method, f"{self._base}/{self._bucket}/{key}")
        S3SigV4QueryAuth(keys, "s3", self._region, expires=_VALID_SECONDS).add_auth(request)
        target = str(request.url).removeprefix(self._base).encode()
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[method, key] = (target, now + _USED_SECONDS)
        return target
