"""Objects in S3, or in anything that speaks its protocol.

Streams go up as multipart uploads: one part on its way while the next one fills, so memory stays
at two parts whatever the size. Parts grow with the object, for S3 takes at most 10,000 of them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Final

import aioboto3  # pyright: ignore[reportMissingTypeStubs]
import msgspec
from aiobotocore.config import AioConfig  # pyright: ignore[reportMissingTypeStubs]
from aiohttp import ClientError as HttpClientError
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
)

from shared.blobs.store import (
    BlobInfo,
    BlobNotFound,
    BlobStoreUnavailable,
    BlobTooLarge,
    Stored,
)

MIN_PART: Final = 5 * 1024 * 1024
"""S3 refuses smaller parts, except for the last one."""
FIRST_PART: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000
_READ_CHUNK: Final = 256 * 1024
_DELETE_BATCH: Final = 1000
_MISSING: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
_OWN_ALREADY: Final = frozenset({"BucketAlreadyExists", "BucketAlreadyOwnedByYou"})


class Part(msgspec.Struct, frozen=True):
    """One stored part of a multipart upload; ``size`` in bytes."""

    number: int
    etag: str
    size: int


class UnfinishedUpload(msgspec.Struct, frozen=True):
    """A multipart upload that was begun."""

    key: str
    upload_id: str
    started_at: datetime


@asynccontextmanager
async def s3_client(
    endpoint: str, region: str, access_key: str, secret_key: str, *, connections: int = 32
) -> AsyncGenerator[Any]:
    """A client with its pool of connections; share one per process and per endpoint."""
    config = AioConfig(
        signature_version="s3v4",
        max_pool_connections=connections,
        connect_timeout=3,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        s3={"addressing_style": "path"},
        proxies={},  # the endpoint is ours to reach; a proxy for the web is not the way to it
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session: Any = aioboto3.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
    )
    async with session.client("s3", endpoint_url=endpoint, config=config) as client:
        yield client


def part_size(number: int) -> int:
    """How large part ``number`` (from 1) is made: 8 MiB, doubling every 2,000 parts.

    2,000 · 8 · (1 + 2 + 4 + 8 + 16) MiB is about 484 GiB within the 10,000 parts; the first
    15 GiB stay at the smallest, so that memory does.
    """
    return FIRST_PART << ((number - 1) // 2000)


class S3Store:
    """A ``BlobStore`` over one bucket, with the multipart upload's own steps besides."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    async def ensure_bucket(self) -> None:
        with _errors(self.bucket):
            try:
                await self._client.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if _code(error) not in _OWN_ALREADY:
                    raise

    async def ping(self) -> None:
        with _errors(self.bucket):
            await self._client.head_bucket(Bucket=self.bucket)

    async def put(
        self, key: str, data: bytes, content_type: str, cache_control: str | None = None
    ) -> str:
        with _errors(key):
            answer = await self._client.put_object(
                Bucket=self.bucket, Key=key, Body=data, **_headers(content_type, cache_control)
            )
        return _etag(answer)

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        content_type: str,
        *,
        cache_control: str | None = None,
        max_bytes: int | None = None,
    ) -> Stored:
        blocks = _parts(_limited(chunks, max_bytes))
        first = await anext(blocks, b"")
        if len(first) < part_size(1):
            return Stored(len(first), await self.put(key, first, content_type, cache_control))
        upload_id = await self.start_multipart(key, content_type, cache_control)
        sending: asyncio.Task[Part] | None = None
        try:
            sending = asyncio.create_task(self.put_part(key, upload_id, 1, first))
            del first
            parts: deque[Part] = deque()
            async for block in blocks:
                parts.append(await sending)
                number = len(parts) + 1
                sending = asyncio.create_task(self.put_part(key, upload_id, number, block))
            parts.append(await sending)
            etag = await self.complete_multipart(key, upload_id, parts)
        except BaseException:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            await asyncio.shield(self._abort_quietly(key, upload_id))
            raise
        return Stored(sum(part.size for part in parts), etag)

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if end is not None and end <= start:
            return
        ranged: dict[str, str] = {}
        if start or end is not None:
            ranged["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        with _errors(key):
            try:
                answer = await self._client.get_object(Bucket=self.bucket, Key=key, **ranged)
            except ClientError as error:
                if _code(error) in {"InvalidRange", "416"}:
                    return
                raise
            async with answer["Body"] as body:
                async for chunk in body.content.iter_chunked(_READ_CHUNK):
                    yield chunk

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return b"".join([chunk async for chunk in self.open(key, start, end)])

    async def head(self, key: str) -> BlobInfo:
        with _errors(key):
            answer = await self._client.head_object(Bucket=self.bucket, Key=key)
        return BlobInfo(
            key=key,
            size=answer["ContentLength"],
            etag=_etag(answer),
            modified_at=answer["LastModified"],
            content_type=answer.get("ContentType"),
            cache_control=answer.get("CacheControl"),
        )

    async def exists(self, key: str) -> bool:
        try:
            await self.head(key)
        except BlobNotFound:
            return False
        return True

    async def delete(self, key: str) -> None:
        with _errors(key):
            await self._client.delete_object(Bucket=self.bucket, Key=key)

    async def delete_prefix(self, prefix: str) -> int:
        if not prefix:
            raise ValueError("an empty prefix would empty the bucket")
        count = 0
        batch: deque[str] = deque()
        async for blob in self.list(prefix):
            batch.append(blob.key)
            if len(batch) == _DELETE_BATCH:
                count += await self._delete_all(tuple(batch))
                batch.clear()
        if batch:
            count += await self._delete_all(tuple(batch))
        return count

    async def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        with _errors(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield BlobInfo(
                        key=item["Key"],
                        size=item["Size"],
                        etag=_etag(item),
                        modified_at=item["LastModified"],
                    )

    async def copy(self, source: str, target: str) -> None:
        with _errors(source):
            await self._client.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}
            )

    async def presign_get(self, key: str, seconds: int) -> str:
        return await self._presign("get_object", seconds, Key=key)

    async def presign_part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        """A URL that anybody can PUT this one part to, for ``seconds``."""
        return await self._presign(
            "upload_part", seconds, Key=key, UploadId=upload_id, PartNumber=number
        )

    async def start_multipart(
        self, key: str, content_type: str, cache_control: str | None = None
    ) -> str:
        """Begin a multipart upload; returns its id."""
        with _errors(key):
            answer = await self._client.create_multipart_upload(
                Bucket=self.bucket, Key=key, **_headers(content_type, cache_control)
            )
        return answer["UploadId"]

    async def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> Part:
        """Store part ``number`` (1 to 10,000), in place of an earlier one of that number."""
        with _errors(key):
            answer = await self._client.upload_part(
                Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )
        return Part(number, _etag(answer), len(data))

    async def list_parts(self, key: str, upload_id: str) -> tuple[Part, ...]:
        """The parts that are stored, by number. Raises BlobNotFound for an unknown upload.

        SeaweedFS keeps every part that was put under one number, to the second; the newest is
        told. Who may put a part twice keeps what ``put_part`` returned: completing goes by etag.
        """
        newest: dict[int, Any] = {}
        with _errors(key):
            pages = self._client.get_paginator("list_parts")
            async for page in pages.paginate(Bucket=self.bucket, Key=key, UploadId=upload_id):
                for item in page.get("Parts", ()):
                    other = newest.get(item["PartNumber"])
                    if other is None or other["LastModified"] <= item["LastModified"]:
                        newest[item["PartNumber"]] = item
        return tuple(
            Part(number, _etag(item), item["Size"]) for number, item in sorted(newest.items())
        )

    async def complete_multipart(self, key: str, upload_id: str, parts: Iterable[Part]) -> str:
        """Join the parts into the object; returns its etag."""
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with _errors(key):
            answer = await self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )
        return _etag(answer)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts; it is no error if it is gone already."""
        with contextlib.suppress(BlobNotFound), _errors(key):
            await self._client.abort_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id
            )

    async def unfinished(self) -> AsyncIterator[UnfinishedUpload]:
        """Every multipart upload that was begun and neither completed nor aborted."""
        with _errors(self.bucket):
            pages = self._client.get_paginator("list_multipart_uploads")
            async for page in pages.paginate(Bucket=self.bucket):
                for item in page.get("Uploads", ()):
                    yield UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"])

    async def _abort_quietly(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(BlobStoreUnavailable, BlobNotFound):
            await self.abort_multipart(key, upload_id)

    async def _presign(self, operation: str, seconds: int, **parameters: Any) -> str:
        return await self._client.generate_presigned_url(
            operation, Params={"Bucket": self.bucket, **parameters}, ExpiresIn=seconds
        )

    async def _delete_all(self, keys: Sequence[str]) -> int:
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        with _errors(keys[0]):
            answer = await self._client.delete_objects(Bucket=self.bucket, Delete=listed)
        failed = answer.get("Errors", ())
        if failed:
            raise BlobStoreUnavailable("Some objects could not be deleted.")
        return len(keys)


async def _limited(chunks: AsyncIterable[bytes], max_bytes: int | None) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if max_bytes is not None and size > max_bytes:
            raise BlobTooLarge(f"More than {max_bytes} bytes were sent.")
        yield chunk


async def _parts(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of the size that their part should have."""
    number = 1
    block = bytearray()
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: part_size(number) - len(block)]
            block += taken
            rest = rest[len(taken) :]
            if len(block) == part_size(number):
                yield bytes(block)
                block.clear()
                number += 1
    if block:
        yield bytes(block)


@contextmanager
def _errors(key: str) -> Generator[None]:
    """Raise the port's errors in place of the library's."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _MISSING:
            raise BlobNotFound(f"There is no object {key}.") from error
        raise BlobStoreUnavailable("The storage refused the request.") from error
    except (BotoCoreError, HttpClientError, OSError, TimeoutError) as error:
        raise BlobStoreUnavailable("The storage does not answer.") from error


def _code(error: ClientError) -> str:
    response: Any = error.response
    return str(response.get("Error", {}).get("Code", ""))


def _etag(answer: Any) -> str:
    return str(answer["ETag"]).strip('"')


def _headers(content_type: str, cache_control: str | None) -> dict[str, str]:
    headers = {"ContentType": content_type}
    if cache_control is not None:
        headers["CacheControl"] = cache_control
    return headers
