"""Asks the storage's machine to write to disk what the storage has only handed to the kernel.

SeaweedFS answers a PUT before data and index are on disk. The process ``disk-sync`` runs beside it
and syncs its files on request. A write is reported as done after such a request, which all writes
that wait at that moment share. Object storage that is durable by contract needs none.

The process obeys who knows the storage's secret: each run keeps the disk busy for all.
"""

import hashlib
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from shared.blobs.grouped import GroupedCall
from shared.blobs.store import BlobStoreUnavailable
from shared.settings import SettingsError

# Seconds; a disk that takes longer is not one that uploads are acknowledged on.
_TIMEOUT_SECONDS: Final = 15.0

Flush = Callable[[], Awaitable[None]]
"""Returns when everything written before the call is on disk. Raises BlobStoreUnavailable."""


def authorization(secret_key: str) -> str:
    """The header Authorization of requests to the process, made from S3's secret key."""
    token = hmac.new(secret_key.encode(), b"cinelog disk-sync", hashlib.sha256).hexdigest()
    return f"Bearer {token}"


@asynccontextmanager
async def disk_sync(url: str, secret_key: str) -> AsyncGenerator[Flush]:
    """A flush through the process at ``url``."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    headers = {"authorization": authorization(secret_key)}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=False) as session:

        async def post() -> None:
            try:
                async with session.post(url) as answer:
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise BlobStoreUnavailable("The storage does not confirm its writes.") from error
            if status != 204:
                raise BlobStoreUnavailable("The storage could not confirm its writes.")

        yield GroupedCall(post)


@asynccontextmanager
async def optional_disk_sync(
    url: str | None, secret_key: str | None
) -> AsyncGenerator[Flush | None]:
    """A flush, or None where the storage needs none. Raises SettingsError without a key for it."""
    if url is None:
        yield None
    elif secret_key is None:
        raise SettingsError("S3_SECRET_KEY is not set, but S3_SYNC_URL is")
    else:
        async with disk_sync(url, secret_key) as flush:
            yield flush
