"""The S3 adapter against a real server."""

import asyncio
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_multipart import FIRST_PART, MAX_PARTS, part_size
from shared.blobs.store import (
    BlobInfo,
    BlobNotFound,
    BlobStore,
    BlobStoreUnavailable,
    BlobTooLarge,
    Piece,
)
from tests.support.buckets import Buckets

MIB = 1024 * 1024


@pytest.fixture
async def store(s3: Buckets) -> AsyncIterator[S3Store]:
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield S3Store(client, s3.media)


async def pieces(size: int, step: int = 300_007) -> AsyncIterator[bytes]:
    """Bytes that say where they are, in pieces that fit no part."""
    sent = 0
    while sent < size:
        count = min(step, size - sent)
        yield expected(sent, sent + count)
        sent += count


def expected(start: int, end: int) -> bytes:
    pattern = bytes(range(251))
    offset = start % 251
    whole = pattern * ((end - start) // 251 + 2)
    return whole[offset : offset + end - start]


async def leftovers(store: S3Store) -> list[str]:
    client = store._client
    answer = await client.list_multipart_uploads(Bucket=store.bucket)
    return [upload["Key"] for upload in answer.get("Uploads") or ()]


def test_it_is_what_services_ask_for(s3: Buckets) -> None:
    port: BlobStore = S3Store(None, s3.media)
    assert port is not None


async def test_small_objects(store: S3Store) -> None:
    etag = await store.put("a/b.txt", b"hello", "text/plain", "max-age=5")
    found = await store.head("a/b.txt")
    assert (found.size, found.etag, found.key) == (5, etag, "a/b.txt")
    assert (found.content_type, found.cache_control) == ("text/plain", "max-age=5")
    assert await store.read("a/b.txt") == b"hello"
    assert await store.exists("a/b.txt")
    await store.put("a/b.txt", b"", "text/plain")
    assert await store.read("a/b.txt") == b""


async def test_ranges(store: S3Store) -> None:
    await store.put("k", b"0123456789", "text/plain")
    assert await store.read("k", 2, 5) == b"234"
    assert await store.read("k", 7) == b"789"
    assert await store.read("k", 8, 99) == b"89"
    assert await store.read("k", 3, 3) == b""
    assert await store.read("k", 10) == b""


async def test_what_is_not_there(store: S3Store) -> None:
    for look in (store.head("no"), store.read("no"), store.copy("no", "x")):
        with pytest.raises(BlobNotFound):
            await look
    with pytest.raises(BlobNotFound):
        await store.list_parts("no", "f" * 32)
    assert not await store.exists("no")
    await store.delete("no")
    await store.abort_multipart("no", "f" * 32)


@pytest.mark.parametrize("size", [0, 1, FIRST_PART - 1, FIRST_PART, FIRST_PART + 1, 20 * MIB + 3])
async def test_streams_of_any_size(store: S3Store, size: int) -> None:
    stored = await store.put_stream("s", pieces(size), "video/mp4", cache_control="no-store")
    found = await store.head("s")
    assert (stored.size, found.size, found.etag) == (size, size, stored.etag)
    assert (found.content_type, found.cache_control) == ("video/mp4", "no-store")
    assert await store.read("s") == expected(0, size)
    assert await store.read("s", FIRST_PART - 3, FIRST_PART + 3) == expected(
        min(size, FIRST_PART - 3), min(size, FIRST_PART + 3)
    )
    assert await leftovers(store) == []


async def test_a_stream_that_breaks_leaves_nothing(store: S3Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(FIRST_PART * 2 + 5):
            yield piece
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await store.put_stream("s", broken(), "video/mp4")
    assert not await store.exists("s")
    assert await leftovers(store) == []


async def test_a_stream_over_its_limit_leaves_nothing(store: S3Store) -> None:
    for limit in (100, FIRST_PART + 100):
        with pytest.raises(BlobTooLarge):
            await store.put_stream("s", pieces(limit + 1), "video/mp4", max_bytes=limit)
        assert not await store.exists("s")
    assert await leftovers(store) == []
    await store.put_stream("s", pieces(100), "video/mp4", max_bytes=100)


async def test_listing_copying_deleting(store: S3Store) -> None:
    for key in ("v/1/a", "v/1/b", "v/10/a", "w"):
        await store.put(key, key.encode(), "text/plain")
    await store.copy("v/1/a", "v/1/c")
    assert [blob.key async for blob in store.list("v/1/")] == ["v/1/a", "v/1/b", "v/1/c"]
    assert await store.read("v/1/c") == b"v/1/a"
    assert await store.delete_prefix("v/1/") == 3
    assert [blob.key async for blob in store.list()] == ["v/10/a", "w"]
    assert await store.delete_prefix("nothing/") == 0
    with pytest.raises(ValueError, match="empty"):
        await store.delete_prefix("")


async def test_a_long_listing_is_whole_and_may_be_left(store: S3Store) -> None:
    keys = [f"long/{number:05d}" for number in range(1010)]
    for start in range(0, len(keys), 50):
        await asyncio.gather(
            *(store.put(key, b"", "text/plain") for key in keys[start : start + 50])
        )
    assert [blob.key async for blob in store.list("long/")] == keys
    before = asyncio.all_tasks()
    listing = cast(AsyncGenerator[BlobInfo], store.list("long/"))
    first = await anext(listing)
    assert abs(first.modified_at - datetime.now(UTC)) < timedelta(minutes=5)
    await listing.aclose()
    assert asyncio.all_tasks() == before


async def test_keys_with_odd_letters(store: S3Store) -> None:
    key = "ü/ 100% & <x>?.txt"
    await store.put(key, b"1", "text/plain")
    assert [blob.key async for blob in store.list("ü/")] == [key]
    await store.copy(key, "plain")
    assert await store.read("plain") == b"1"


async def test_presigned_urls(store: S3Store) -> None:
    await store.put("k", b"for anybody", "text/plain")
    url = await store.presign_get("k", 60)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        assert response.read() == b"for anybody"


async def test_an_upload_in_parts_survives_its_process(store: S3Store) -> None:
    upload = await store.start_multipart("m", "video/mp4")
    first = await store.put_part("m", upload, 1, expected(0, 5 * MIB))
    second = await store.put_part("m", upload, 2, b"end")
    assert await store.list_parts("m", upload) == (first, second)
    await store.put_part("m", upload, 2, b"again, but not meant")
    assert [part.number for part in await store.list_parts("m", upload)] == [1, 2]
    await store.complete_multipart("m", upload, [first, second])
    assert await store.read("m", 5 * MIB) == b"end"
    url = await store.presign_part("m", await store.start_multipart("m", "x/y"), 1, 5, 60)
    assert "partNumber=1" in url


async def test_buckets(store: S3Store, s3: Buckets) -> None:
    await store.ensure_bucket()
    await store.ping()
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        with pytest.raises(BlobNotFound):
            await S3Store(client, "there-is-no-such-bucket").ping()


async def test_no_storage_and_wrong_keys_are_said_in_our_words(s3: Buckets) -> None:
    async with s3_client("http://127.0.0.1:1", s3.region, "a", "b") as client:
        with pytest.raises(BlobStoreUnavailable):
            await S3Store(client, "x").put("k", b"", "text/plain")
    async with s3_client(s3.endpoint, s3.region, "somebody", "else") as client:
        with pytest.raises(BlobStoreUnavailable):
            await S3Store(client, s3.media).put("k", b"", "text/plain")


def test_twenty_gigabytes_fit_into_the_parts() -> None:
    sizes = [part_size(number) for number in range(1, MAX_PARTS + 1)]
    assert sum(sizes) > 400 * 1024**3
    held, number = 0, 0
    while held < 20 * 1024**3:
        held, number = held + sizes[number], number + 1
    assert number < MAX_PARTS / 4
    assert max(sizes[:number]) <= 16 * MIB


async def test_objects_are_joined_and_outlive_their_pieces(store: S3Store) -> None:
    sizes = {"p/a": 900, "p/b": 6 * MIB, "p/c": 13 * MIB, "p/d": 70_001, "p/e": 0}
    for key, size in sizes.items():
        await store.put(key, expected(size % 7, size % 7 + size), "video/mp4")
    whole = b"".join([await store.read(key) for key in sizes])
    pieces = [Piece(key, size) for key, size in sizes.items()]
    await store.join("p/all", pieces, "video/mp4", "max-age=9")
    assert await store.drop_unfinished("p/") == 0
    for key in sizes:
        await store.delete(key)
    head = await store.head("p/all")
    assert (head.size, head.content_type, head.cache_control) == (
        len(whole),
        "video/mp4",
        "max-age=9",
    )
    assert await store.read("p/all") == whole
    edge = 5 * MIB
    assert await store.read("p/all", edge - 3, edge + 3) == whole[edge - 3 : edge + 3]


async def test_joining_what_is_not_there_leaves_nothing(store: S3Store) -> None:
    await store.put("q/a", bytes(6 * MIB), "video/mp4")
    with pytest.raises(BlobNotFound):
        await store.join("q/all", [Piece("q/a", 6 * MIB), Piece("q/no", 6 * MIB)], "video/mp4")
    with pytest.raises(BlobNotFound):
        await store.join("q/all", [Piece("q/no", 6)], "video/mp4")
    assert not await store.exists("q/all")
    assert "q/all" not in await leftovers(store)


async def test_what_a_dead_process_began_is_dropped(store: S3Store) -> None:
    await store.start_multipart("r/x", "video/mp4")
    await store.start_multipart("s/x", "video/mp4")
    assert await store.drop_unfinished("r/") == 1
    assert "r/x" not in await leftovers(store)
    assert await store.drop_unfinished("s/") == 1
