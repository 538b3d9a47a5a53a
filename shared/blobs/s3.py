"""Object storage over the S3 protocol.

Streams are stored by multipart uploads: one part is sent while the next one fills, so memory is
bounded by two parts. Parts grow with the object, because S3 accepts at most 10,000 parts.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Sequence,
)
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

import aioboto3  # pyright: ignore[reportMissingTypeStubs]
from aiobotocore.config import AioConfig  # pyright: ignore[reportMissingTypeStubs]
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    ClientError,
)
from botocore.loaders import Loader  # pyright: ignore[reportMissingTypeStubs]

from shared.blobs.s3_checks import Pauses, ask, check_stored, md5_of, sending
from shared.blobs.s3_join import Span, parts_of
from shared.blobs.s3_metrics import S3Metrics
from shared.blobs.s3_multipart import Part, S3Multipart, part_size
from shared.blobs.s3_reading import ObjectReader, WrongContents
from shared.blobs.s3_wire import code_of, etag_of, headers_for, our_errors, parse_time
from shared.blobs.store import (
    BlobInfo,
    BlobNotFound,
    BlobStoreUnavailable,
    BlobTooLarge,
    Piece,
    Stored,
)

_DELETE_BATCH: Final = 1000
_OWN_ALREADY: Final = frozenset({"BucketAlreadyExists", "BucketAlreadyOwnedByYou"})


@asynccontextmanager
async def s3_client(
    endpoint: str | None,
    region: str,
    access_key: str | None,
    secret_key: str | None,
    *,
    connections: int = 32,
    metrics: S3Metrics | None = None,
    answer_seconds: float = 12.0,
) -> AsyncGenerator[Any]:
    """A client with a pool of connections; share one per process and endpoint.

    Without an ``endpoint`` it asks AWS. Without keys it takes those of the environment: of a pod's
    service account, of the machine.

    A storage that is silent for ``answer_seconds`` is asked once more, then given up.
    """
    config = AioConfig(
        signature_version="s3v4",
        max_pool_connections=connections,
        connect_timeout=3,
        read_timeout=answer_seconds,
        retries={"mode": "standard", "max_attempts": 2},
        s3={"addressing_style": "path"},
        proxies={},  # the storage is on our own network, never behind a web proxy
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session: Any = aioboto3.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
    )
    session._session.register_component("data_loader", _descriptions())
    parsers = session._session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=parse_time)
    # Without TLS no certificate is verified, and reading all authorities' takes 25 ms.
    verify = False if endpoint and not endpoint.startswith("https:") else None
    async with session.client("s3", endpoint_url=endpoint, config=config, verify=verify) as client:
        if metrics is not None:
            metrics.attach(client)
        yield client


@cache
def _descriptions() -> Loader:
    """What botocore knows of S3: megabytes, kept once for all clients, and for forked processes."""
    return Loader()


class S3Store(S3Multipart):
    """A ``BlobStore`` over one bucket that also exposes the steps of a multipart upload."""

    async def ensure_bucket(self) -> None:
        with our_errors(self.bucket):
            try:
                await self._client.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if code_of(error) not in _OWN_ALREADY:
                    raise

    async def ping(self) -> None:
        with our_errors(self.bucket):
            await self._client.head_bucket(Bucket=self.bucket)

    async def put(
        self, key: str, data: bytes, content_type: str, cache_control: str | None = None
    ) -> str:
        md5 = await md5_of(data)

        async def send() -> Any:
            headers = headers_for(content_type, cache_control)
            async with sending(self._client, len(data)):
                answer = await self._client.put_object(
                    Bucket=self.bucket, Key=key, Body=data, **headers
                )
            check_stored(answer, md5)
            return answer

        answer = await ask(key, send)
        await self._on_disk()
        return etag_of(answer)

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
            sending = asyncio.create_task(self._send_part(key, upload_id, 1, first))
            del first
            parts: deque[Part] = deque()
            async for block in blocks:
                parts.append(await sending)
                number = len(parts) + 1
                sending = asyncio.create_task(self._send_part(key, upload_id, number, block))
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
        reader = ObjectReader(
            self._client,
            self.bucket,
            key,
            start=start,
            end=end,
            is_missing=lambda: self._is_missing(key),
        )
        async for chunk in reader.chunks():
            yield chunk

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        pauses = Pauses()
        while True:
            try:
                return b"".join([chunk async for chunk in self.open(key, start, end)])
            except WrongContents:
                if pauses.used_up:
                    raise
            await pauses.next()

    async def head(self, key: str) -> BlobInfo:
        answer = await self._head(key)
        return BlobInfo(
            key=key,
            size=answer["ContentLength"],
            etag=etag_of(answer),
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
        with contextlib.suppress(BlobNotFound):
            await ask(
                key,
                lambda: self._client.delete_object(Bucket=self.bucket, Key=key),
                is_missing=lambda: self._is_missing(key),
            )

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

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[BlobInfo]:
        begin = {"StartAfter": after} if after else {}
        following: asyncio.Task[Any] | None = asyncio.create_task(self._page(prefix, **begin))
        try:
            while following is not None:
                page = await following
                following = None
                if page.get("IsTruncated"):
                    # The storage lists the next page while the caller works on this one.
                    token = page["NextContinuationToken"]
                    following = asyncio.create_task(self._page(prefix, ContinuationToken=token))
                for item in page.get("Contents", ()):
                    yield BlobInfo(
                        key=item["Key"],
                        size=item["Size"],
                        etag=etag_of(item),
                        modified_at=item["LastModified"],
                    )
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def copy(self, source: str, target: str) -> None:
        await ask(
            source,
            lambda: self._client.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}
            ),
            is_missing=lambda: self._is_missing(source),
        )
        await self._on_disk()

    async def join(
        self,
        key: str,
        pieces: Sequence[Piece],
        content_type: str,
        cache_control: str | None = None,
    ) -> str:
        planned = parts_of(pieces)
        if len(planned) <= 1:
            data = await self._gather(planned[0]) if planned else b""
            return await self.put(key, data, content_type, cache_control)
        upload_id = await self.start_multipart(key, content_type, cache_control)
        try:
            parts: deque[Part] = deque()
            for number, spans in enumerate(planned, 1):
                if len(spans) == 1:
                    (span,) = spans
                    part = await self.copy_part(
                        key, upload_id, number, span.key, start=span.start, end=span.end
                    )
                else:
                    data = await self._gather(spans)
                    part = await self._send_part(key, upload_id, number, data)
                parts.append(part)
            return await self.complete_multipart(key, upload_id, parts)
        except BaseException:
            await asyncio.shield(self._abort_quietly(key, upload_id))
            raise

    async def drop_unfinished(self, prefix: str) -> int:
        begun = [upload async for upload in self.unfinished(prefix)]
        for upload in begun:
            await self.abort_multipart(upload.key, upload.upload_id)
        return len(begun)

    async def presign_get(self, key: str, seconds: int) -> str:
        return await self._presign("get_object", seconds, Key=key)

    async def _page(self, prefix: str, **begin: str) -> Any:
        return await ask(
            prefix,
            lambda: self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **begin),
        )

    async def _gather(self, spans: Sequence[Span]) -> bytes:
        return b"".join([await self.read(span.key, span.start, span.end) for span in spans])

    async def _abort_quietly(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(BlobStoreUnavailable, BlobNotFound):
            await self.abort_multipart(key, upload_id)

    async def _delete_all(self, keys: Sequence[str]) -> int:
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = await ask(
            keys[0], lambda: self._client.delete_objects(Bucket=self.bucket, Delete=listed)
        )
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
    """Regroup the bytes into blocks of their part's size."""
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
