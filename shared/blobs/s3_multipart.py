"""The steps of a multipart upload, for streams and for uploads that several processes continue."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    ClientError,
)

from shared.blobs.disk_sync import Flush
from shared.blobs.s3_checks import WrongAnswer, ask, check_stored, md5_of, sending
from shared.blobs.s3_wire import etag_of, headers_for
from shared.blobs.store import BlobNotFound

MIN_PART: Final = 5 * 1024 * 1024
"""In bytes. S3 refuses smaller parts, except for the last one."""
FIRST_PART: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000


class Part(msgspec.Struct, frozen=True):
    """One stored part of a multipart upload; ``size`` in bytes."""

    number: int
    etag: str
    size: int


class UnfinishedUpload(msgspec.Struct, frozen=True):
    """A multipart upload that is neither completed nor aborted."""

    key: str
    upload_id: str
    started_at: datetime


def part_size(number: int) -> int:
    """The size of part ``number`` (from 1) in bytes: 8 MiB, doubled every 2,000 parts.

    10,000 parts hold 2,000 · 8 · (1 + 2 + 4 + 8 + 16) MiB, about 484 GiB. The first 15 GiB use the
    smallest size, which keeps memory low.
    """
    return FIRST_PART << ((number - 1) // 2000)


class S3Multipart:
    """Multipart uploads into one bucket.

    With ``flush``, what a method reports as stored is on the storage's disk.
    """

    def __init__(self, client: Any, bucket: str, flush: Flush | None = None) -> None:
        self._client = client
        self.bucket = bucket
        self._flush = flush

    async def presign_part(
        self, key: str, upload_id: str, number: int, size: int, seconds: int
    ) -> str:
        """A URL that accepts a PUT of this part for ``seconds``, without a login.

        The length is signed: a part of another ``size`` in bytes is refused.
        """
        return await self._presign(
            "upload_part",
            seconds,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            ContentLength=size,
        )

    async def start_multipart(
        self, key: str, content_type: str, cache_control: str | None = None
    ) -> str:
        """Start a multipart upload and return its id."""
        answer = await ask(
            key,
            lambda: self._client.create_multipart_upload(
                Bucket=self.bucket, Key=key, **headers_for(content_type, cache_control)
            ),
        )
        await self._on_disk()
        return answer["UploadId"]

    async def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> Part:
        """Store part ``number`` (1 to 10,000); replaces an earlier part of that number."""
        part = await self._send_part(key, upload_id, number, data)
        await self._on_disk()
        return part

    async def _send_part(self, key: str, upload_id: str, number: int, data: bytes) -> Part:
        """Store a part whose upload is flushed as a whole when it is completed."""
        md5 = await md5_of(data)

        async def send() -> Any:
            where = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id}
            async with sending(self._client, len(data)):
                answer = await self._client.upload_part(**where, PartNumber=number, Body=data)
            check_stored(answer, md5)
            return answer

        answer = await ask(key, send, is_missing=lambda: self._is_over(key, upload_id))
        return Part(number, etag_of(answer), len(data))

    async def copy_part(
        self, key: str, upload_id: str, number: int, source: str, *, start: int, end: int
    ) -> Part:
        """Store part ``number`` as a copy of the bytes ``start`` to ``end`` of another object.

        Raises BlobNotFound if the source is missing.
        """
        answer = await ask(
            source,
            lambda: self._client.upload_part_copy(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self.bucket, "Key": source},
                CopySourceRange=f"bytes={start}-{end - 1}",
            ),
            is_missing=lambda: self._is_missing(source),
        )
        return Part(number, etag_of(answer["CopyPartResult"]), end - start)

    async def list_parts(self, key: str, upload_id: str) -> tuple[Part, ...]:
        """The stored parts, ordered by number. Raises BlobNotFound for an unknown upload.

        SeaweedFS keeps every part that was put under one number and orders them by the second;
        the newest is returned. A caller that may put a part twice must keep the result of
        ``put_part``, because completing selects parts by etag.
        """

        async def every() -> dict[int, Any]:
            newest: dict[int, Any] = {}
            pages = self._client.get_paginator("list_parts")
            async for page in pages.paginate(Bucket=self.bucket, Key=key, UploadId=upload_id):
                for item in page.get("Parts", ()):
                    other = newest.get(item["PartNumber"])
                    if other is None or other["LastModified"] <= item["LastModified"]:
                        newest[item["PartNumber"]] = item
            return newest

        newest = await ask(key, every, is_missing=lambda: self._is_over(key, upload_id))
        return tuple(
            Part(number, etag_of(item), item["Size"]) for number, item in sorted(newest.items())
        )

    async def complete_multipart(self, key: str, upload_id: str, parts: Iterable[Part]) -> str:
        """Join the parts into the object and return its etag."""
        wanted = tuple(parts)
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in wanted]

        async def complete() -> Any:
            try:
                return await self._client.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                )
            except ClientError as error:
                # An earlier try may have joined the parts, and its answer was lost.
                joined = await self._head(key)
                if joined["ContentLength"] != sum(part.size for part in wanted):
                    raise WrongAnswer("The storage did not join the parts.") from error
                return joined

        answer = await ask(key, complete, is_missing=lambda: self._is_over(key, upload_id))
        await self._on_disk()
        return etag_of(answer)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Remove the upload and its parts; does nothing if the upload does not exist."""
        with contextlib.suppress(BlobNotFound):
            await ask(
                key,
                lambda: self._client.abort_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload_id
                ),
                is_missing=lambda: self._is_over(key, upload_id),
            )

    async def unfinished(self, prefix: str = "") -> AsyncIterator[UnfinishedUpload]:
        """Every multipart upload that is neither completed nor aborted."""

        async def every() -> list[UnfinishedUpload]:
            pages = self._client.get_paginator("list_multipart_uploads")
            return [
                UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"])
                async for page in pages.paginate(Bucket=self.bucket, Prefix=prefix)
                for item in page.get("Uploads", ())
            ]

        for upload in await ask(self.bucket, every):
            yield upload

    async def _head(self, key: str) -> Any:
        return await ask(
            key,
            lambda: self._client.head_object(Bucket=self.bucket, Key=key),
            is_missing=lambda: self._is_missing(key),
        )

    async def _is_missing(self, key: str) -> bool:
        """Whether the bucket's listing lacks ``key``: asked where another request answered 404."""
        page = await ask(
            key,
            lambda: self._client.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1),
        )
        return all(item["Key"] != key for item in page.get("Contents", ()))

    async def _is_over(self, key: str, upload_id: str) -> bool:
        """Whether the bucket lists no such multipart upload."""
        return all([begun.upload_id != upload_id async for begun in self.unfinished(key)])

    async def _on_disk(self) -> None:
        if self._flush is not None:
            await self._flush()

    async def _presign(self, operation: str, seconds: int, **parameters: Any) -> str:
        return await self._client.generate_presigned_url(
            operation, Params={"Bucket": self.bucket, **parameters}, ExpiresIn=seconds
        )
