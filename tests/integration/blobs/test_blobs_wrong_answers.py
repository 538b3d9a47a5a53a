"""The S3 adapter where a part of the answers is wrong: nothing wrong is returned or stored."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_multipart import MIN_PART
from shared.blobs.store import BlobNotFound, Piece
from tests.support.buckets import Buckets
from tests.support.wrong_s3 import KINDS, WrongS3

_SHARE = 0.15
_STREAM = bytes(range(256)) * (9 << 12)


@pytest.fixture
async def right(s3: Buckets) -> AsyncIterator[S3Store]:
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield S3Store(client, s3.media)


async def _stream() -> AsyncIterator[bytes]:
    for start in range(0, len(_STREAM), 700_001):
        yield _STREAM[start : start + 700_001]


@pytest.mark.parametrize("kind", ["404", "slow down", "short", "flipped", "all"])
async def test_every_call_is_right_in_spite_of_wrong_answers(
    s3: Buckets, right: S3Store, kind: str
) -> None:
    kinds = KINDS if kind == "all" else (kind,)
    with WrongS3(s3.endpoint, _SHARE, kinds, seed=1).running() as wrong:
        async with s3_client(wrong.url, s3.region, s3.access_key, s3.secret_key) as client:
            await _work(S3Store(client, s3.media), right)
    assert wrong.done.total() > wrong.done["right"]


async def _work(store: S3Store, right: S3Store) -> None:
    """Every call of the port, each result compared with what is really in the bucket."""
    bodies = {f"small/{number:02d}": bytes([number]) * 5000 for number in range(10)}
    await asyncio.gather(*(store.put(key, body, "a/b") for key, body in bodies.items()))
    for key, body in bodies.items():
        assert await right.read(key) == body
        assert await store.read(key) == body
        assert (await store.head(key)).size == len(body)
        assert await store.exists(key)
        assert not await store.exists(f"{key}-not")
    with pytest.raises(BlobNotFound):
        await store.read("not")
    assert len([blob async for blob in store.list("small/")]) == len(bodies)
    stored = await store.put_stream("stream", _stream(), "a/b")
    assert stored.size == len(_STREAM)
    assert await right.read("stream") == _STREAM
    await store.copy("stream", "copy")
    await store.join("joined", [Piece("small/03", 5000), Piece("stream", len(_STREAM))], "a/b")
    assert await right.read("joined") == bodies["small/03"] + _STREAM
    upload = await store.start_multipart("parts", "a/b")
    part = await store.put_part("parts", upload, 1, _STREAM[:MIN_PART])
    assert [each.size for each in await store.list_parts("parts", upload)] == [MIN_PART]
    await store.complete_multipart("parts", upload, [part])
    assert await right.read("parts") == _STREAM[:MIN_PART]
    await store.delete("copy")
    assert not await right.exists("copy")
    assert await store.delete_prefix("small/") == len(bodies)
    assert [blob.key async for blob in right.list("small/")] == []


@pytest.mark.parametrize("kind", ["cut", "short"])
async def test_a_range_is_whole_although_most_bodies_end_early(
    s3: Buckets, right: S3Store, kind: str
) -> None:
    await right.put("k", _STREAM, "a/b")
    with WrongS3(s3.endpoint, 0.6, (kind,)).running() as wrong:
        async with s3_client(wrong.url, s3.region, s3.access_key, s3.secret_key) as client:
            store = S3Store(client, s3.media)
            for start, end in ((0, None), (7, None), (1000, 5_000_000), (9_000_000, 1 << 30)):
                assert await store.read("k", start, end) == _STREAM[start:end]
