"""The steps of a multipart upload, for streams and for uploads that several processes continue."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from shared.blobs.disk_sync import Flush
from shared.blobs.s3_wire import etag_of, headers_for, our_errors
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

    async def presign_part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        """A URL that accepts a PUT of this part for ``seconds``, without a login."""
        return await self._presign(
            "upload_part", seconds, Key=key, UploadId=upload_id, PartNumber=number
        )

    async def start_multipart(
        self, key: str, content_type: str, cache_control: str | None = None
    ) -> str:
        """Start a multipart upload and return its id."""
        with our_errors(key):
            answer = await self._client.create_multipart_upload(
                Bucket=self.bucket, Key=key, **headers_for(content_type, cache_control)
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
        with our_errors(key):
            answer = await self._client.upload_part(
                Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )
        return Part(number, etag_of(answer), len(data))

    async def copy_part(
        self, key: str, upload_id: str, number: int, source: str, *, start: int, end: int
    ) -> Part:
        """Store part ``number`` as a copy of the bytes ``start`` to ``end`` of another object.

        Raises BlobNotFound if the source is missing.
        """
        with our_errors(source):
            answer = await self._client.upload_part_copy(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self.bucket, "Key": source},
                CopySourceRange=f"bytes={start}-{end - 1}",
            )
        return Part(number, etag_of(answer["CopyPartResult"]), end - start)

    async def list_parts(self, key: str, upload_id: str) -> tuple[Part, ...]:
        """The stored parts, ordered by number. Raises BlobNotFound for an unknown upload.

        SeaweedFS keeps every part that was put under one number and orders them by the second;
        the newest is returned. A caller that may put a part twice must keep the result of
        ``put_part``, because completing selects parts by etag.
        """
        newest: dict[int, Any] = {}
        with our_errors(key):
            pages = self._client.get_paginator("list_parts")
            async for page in pages.paginate(Bucket=self.bucket, Key=key, UploadId=upload_id):
                for item in page.get("Parts", ()):
                    other = newest.get(item["PartNumber"])
                    if other is None or other["LastModified"] <= item["LastModified"]:
                        newest[item["PartNumber"]] = item
        return tuple(
            Part(number, etag_of(item), item["Size"]) for number, item in sorted(newest.items())
        )

    async def complete_multipart(self, key: str, upload_id: str, parts: Iterable[Part]) -> str:
        """Join the parts into the object and return its etag."""
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with our_errors(key):
            answer = await self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )
        await self._on_disk()
        return etag_of(answer)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Remove the upload and its parts; does nothing if the upload does not exist."""
        with contextlib.suppress(BlobNotFound), our_errors(key):
            await self._client.abort_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id
            )

    async def unfinished(self, prefix: str = "") -> AsyncIterator[UnfinishedUpload]:
        """Every multipart upload that is neither completed nor aborted."""
        with our_errors(self.bucket):
            pages = self._client.get_paginator("list_multipart_uploads")
            async for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Uploads", ()):
                    yield UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"])

    async def _on_disk(self) -> None:
        if self._flush is not None:
            await self._flush()

    async def _presign(self, operation: str, seconds: int, **parameters: Any) -> str:
        return await self._client.generate_presigned_url(
            operation, Params={"Bucket": self.bucket, **parameters}, ExpiresIn=seconds
        )
