"""Translates S3's errors, etags and headers."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.utils import (  # pyright: ignore[reportMissingTypeStubs]
    parse_timestamp,  # pyright: ignore[reportUnknownVariableType]
)

from shared.blobs.store import BlobNotFound, BlobStoreUnavailable

_MISSING: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


class StorageSilent(BlobStoreUnavailable):
    """The storage did not answer at all, in the tries of the library: asking again only waits."""


@contextmanager
def our_errors(key: str) -> Generator[None]:
    """Replace the library's errors by the port's."""
    try:
        yield
    except ClientError as error:
        if code_of(error) in _MISSING:
            raise BlobNotFound(f"There is no object {key}.") from error
        raise BlobStoreUnavailable("The storage refused the request.") from error
    except (ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError) as error:
        raise StorageSilent("The storage does not answer.") from error
    except (BotoCoreError, HttpClientError, OSError, TimeoutError) as error:
        raise BlobStoreUnavailable("The storage does not answer.") from error


def code_of(error: ClientError) -> str:
    """S3's error code."""
    response: Any = error.response
    return str(response.get("Error", {}).get("Code", ""))


def etag_of(answer: Any) -> str:
    """The etag of an answer, without quotes."""
    return str(answer["ETag"]).strip('"')


def parse_time(value: Any) -> datetime:
    """A time in one of S3's formats.

    Listings hold one in ISO 8601 for each object. The library finds out the format of each anew,
    which takes longer than all else that is done with a listed object.
    """
    if isinstance(value, str) and value[4:5] == "-":
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return parse_timestamp(value)
        if found.tzinfo is not None:
            return found
    return parse_timestamp(value)


def headers_for(content_type: str, cache_control: str | None) -> dict[str, str]:
    """The stored headers of an object."""
    headers = {"ContentType": content_type}
    if cache_control is not None:
        headers["CacheControl"] = cache_control
    return headers
