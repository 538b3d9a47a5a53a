"""The steps of a multipart upload, for streams and for uploads that outlive their process."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from shared.blobs.disk_sync import Flush
from shared.blobs.s3_wire import etag_of, headers_for, our_errors
from shared.blobs.store import BlobNotFound

MIN_PART: Final = 5 * 1024 * 1024
"""S3 refuses smaller parts, except for the last one."""
FIRST_PART: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000


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


def part_size(number: int) -> int:
    """How large part ``number`` (from 1) is made: 8 MiB, doubling every 2,000 parts.

    2,000 · 8 · (1 + 2 + 4 + 8 + 16) MiB is about 484 GiB within the 10,000 parts; the first
    15 GiB stay at the smallest, so that memory does.
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
        """A URL that anybody can PUT this one part to, for ``seconds``."""
        return await self._presign(
            "upload_part", seconds, Key=key, UploadId=upload_id, PartNumber=number
        )

    async def start_multipart(
        self, key: str, content_type: str, cache_control: str | None = None
    ) -> str:
        """Begin a multipart upload; returns its id."""
        with our_errors(key):
            answer = await self._client.create_multipart_upload(
                Bucket=self.bucket, Key=key, **headers_for(content_type, cache_control)
            )
        await self._on_disk()
        return answer["UploadId"]

    async def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> Part:
        """Store part ``number`` (1 to 10,000), in place of an earlier one of that number."""
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
        """Store part ``number`` as a copy of another object's bytes ``start`` to before ``end``.

        Raises BlobNotFound where the source is missing.
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
        """The parts that are stored, by number. Raises BlobNotFound for an unknown upload.

        SeaweedFS keeps every part that was put under one number, to the second; the newest is
        told. Who may put a part twice keeps what ``put_part`` returned: completing goes by etag.
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
        """Join the parts into the object; returns its etag."""
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with our_errors(key):
            answer = await self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )
        await self._on_disk()
        return etag_of(answer)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts; it is no error if it is gone already."""
        with contextlib.suppress(BlobNotFound), our_errors(key):
            await self._client.abort_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id
            )

    async def unfinished(self, prefix: str = "") -> AsyncIterator[UnfinishedUpload]:
        """Every multipart upload that was begun and neither completed nor aborted."""
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
