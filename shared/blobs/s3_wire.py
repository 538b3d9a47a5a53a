"""How S3 speaks: its errors in our words, its etags, its headers."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
)

from shared.blobs.store import BlobNotFound, BlobStoreUnavailable

_MISSING: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


@contextmanager
def our_errors(key: str) -> Generator[None]:
    """Raise the port's errors in place of the library's."""
    try:
        yield
    except ClientError as error:
        if code_of(error) in _MISSING:
            raise BlobNotFound(f"There is no object {key}.") from error
        raise BlobStoreUnavailable("The storage refused the request.") from error
    except (BotoCoreError, HttpClientError, OSError, TimeoutError) as error:
        raise BlobStoreUnavailable("The storage does not answer.") from error


def code_of(error: ClientError) -> str:
    """S3\'s name for what went wrong."""
    response: Any = error.response
    return str(response.get("Error", {}).get("Code", ""))


def etag_of(answer: Any) -> str:
    """An answer\'s etag without its quotes."""
    return str(answer["ETag"]).strip('"')


def headers_for(content_type: str, cache_control: str | None) -> dict[str, str]:
    """What an object is stored with."""
    headers = {"ContentType": content_type}
    if cache_control is not None:
        headers["CacheControl"] = cache_control
    return headers
