"""Bytes that come by tus: resume anywhere, lose nothing that was acknowledged."""

import asyncio
import base64
import hashlib
import zlib
from datetime import timedelta

import pytest

from services.ingest.handlers import discarded
from shared.contracts import (
    UploadStarted,
    VideoUploaded,
)
from shared.token_bucket import MICROS, Bucket
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import (
    Ingest,
    StaticKeys,
    clip,
    config,
    footage,
    running,
)
from tests.integration.ingest.tus_client import (
    MIB,
    create,
    offset_of,
    patch,
    stalling,
)
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.processes import working
from tests.support.wait import eventually


async def test_in_pieces_of_awkward_sizes(ingest: Ingest) -> None:
    content = footage() + clip(11 * MIB)
    async with ingest.client() as client:
        url = await create(client, len(content))
        offset = 0
        sizes = [1, 3000, 3 * MIB, 2 * MIB + 7, 6 * MIB, 20 * MIB]
        for size in sizes:
            piece = content[offset : offset + size]
            answer = await patch(client, url, offset, piece)
            assert answer.status_code == 204, answer.text
            offset += len(piece)
            assert answer.headers["upload-offset"] == str(offset)
            assert ("upload-expires" in answer.headers) == (offset < len(content))
            assert await offset_of(client, url) == offset
    upload_id = url.rpartition("/")[2]
    started, uploaded = await ingest.events(upload_id)
    assert started == UploadStarted(
        video_id=upload_id,
        user_id="ann",
        protocol="tus",
        title="My film",
        description="Words",
        filename="film.mp4",
        size=len(content),
        visibility="public",
    )
    assert uploaded == VideoUploaded(
        video_id=upload_id,
        user_id="ann",
        title="My film",
        description="Words",
        filename="film.mp4",
        content_type="video/mp4",
        size=len(content),
        source_key=f"{upload_id}/source",
        sha256=None,
        tags=("a", "b"),
    )
    assert ingest.content(upload_id) == content
    assert list(ingest.objects()) == [f"{upload_id}/source"]
    assert ingest.unfinished() == []


async def test_single_bytes_do_not_have_the_tail_written_again(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = clip(6 * MIB)
    written = 0
    put = ingest.parts.sources.put

    async def counting(key: str, data: bytes, content_type: str) -> str:
        nonlocal written
        written += len(data)
        return await put(key, data, content_type)

    monkeypatch.setattr(ingest.parts.sources, "put", counting)
    async with ingest.client() as client:
        url = await create(client, len(content))
        large = 5 * MIB - 30
        assert (await patch(client, url, 0, content[:large])).status_code == 204
        before = written
        for offset in range(large, large + 25):
            answer = await patch(client, url, offset, content[offset : offset + 1])
            assert answer.headers["upload-offset"] == str(offset + 1)
            assert await offset_of(client, url) == offset + 1
        assert written - before < 500
        # All pieces are read when they fill a part, and none is left behind.
        answer = await patch(client, url, large + 25, content[large + 25 :])
        assert answer.status_code == 204, answer.text
    upload_id = url.rpartition("/")[2]
    assert ingest.content(upload_id) == content
    assert list(ingest.objects()) == [f"{upload_id}/source"]


async def test_the_sweep_knows_every_piece(ingest: Ingest) -> None:
    content = clip(20_000)
    async with ingest.client() as client:
        url = await create(client, len(content))
        for start, end in ((0, 15_000), (15_000, 16_000), (16_000, 16_001)):
            assert (await patch(client, url, start, content[start:end])).status_code == 204
        pieces = list(ingest.objects())
        assert len(pieces) == 3
        ingest.parts.sweep._orphan_age = timedelta(0)
        await ingest.parts.sweep.orphans()
        assert list(ingest.objects()) == pieces
        answer = await patch(client, url, 16_001, content[16_001:])
        assert answer.status_code == 204, answer.text
    assert ingest.content(url.rpartition("/")[2]) == content


async def test_a_broken_connection_keeps_what_arrived(ingest: Ingest) -> None:
    content = clip(14 * MIB)
    async with ingest.client() as client:
        url = await create(client, len(content))
        request = asyncio.create_task(patch(client, url, 0, stalling(content[: 8 * MIB])))
        await eventually(lambda: bool(ingest.unfinished()))
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)

        async def kept() -> bool:
            return (await ingest.rows())[0]["received"] == 8 * MIB

        await eventually(kept)
        assert await offset_of(client, url) == 8 * MIB
        rest = await patch(client, url, 8 * MIB, content[8 * MIB :])
        assert rest.status_code == 204
    assert ingest.content(url.rpartition("/")[2]) == content


async def test_a_second_replica_takes_over_a_hanging_upload(
    database: Database, s3: Buckets
) -> None:
    keys = StaticKeys()
    content = clip(14 * MIB)
    async with (
        running(config(database, s3), s3, keys) as one,
        running(config(database, s3), s3, keys) as two,
        one.client() as at_one,
        two.client() as at_two,
        working(one.process),
    ):
        url = await create(at_one, len(content))
        end = asyncio.Event()
        hanging = asyncio.create_task(patch(at_one, url, 0, stalling(content[: 8 * MIB], end)))
        await eventually(lambda: bool(one.unfinished()))
        # The bytes that fill no part yet are stored because the other replica asks.
        await eventually(lambda: _at(two, 5 * MIB))
        assert await offset_of(at_two, url) == 8 * MIB
        assert (await patch(at_two, url, 8 * MIB, content[8 * MIB :])).status_code == 204
        end.set()
        assert problem(await hanging) == (409, "upload_taken_over")
        assert one.content(url.rpartition("/")[2]) == content


async def _at(ingest: Ingest, received: int) -> bool:
    return (await ingest.rows())[0]["received"] >= received


async def test_a_dead_writer_is_fenced_off(ingest: Ingest) -> None:
    """Nobody listens for the takeover here, as if the writer's process hung."""
    content = clip(14 * MIB)
    async with ingest.client() as client:
        url = await create(client, len(content))
        hanging = asyncio.create_task(patch(client, url, 0, stalling(content[: 8 * MIB])))
        await eventually(lambda: _at(ingest, 5 * MIB))
        assert await offset_of(client, url) == 5 * MIB
        answer = await patch(client, url, 5 * MIB, content[5 * MIB :])
        assert answer.status_code == 204
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        assert await offset_of(client, url) == len(content)
    assert ingest.content(url.rpartition("/")[2]) == content


async def test_checksums(ingest: Ingest) -> None:
    content = clip(13 * MIB)
    first, rest = content[: 6 * MIB], content[6 * MIB :]

    def checksum(algorithm: str, data: bytes) -> str:
        digest = (
            zlib.crc32(data).to_bytes(4, "big")
            if algorithm == "crc32"
            else hashlib.new(algorithm, data).digest()
        )
        return f"{algorithm} {base64.b64encode(digest).decode()}"

    async with ingest.client() as client:
        url = await create(client, len(content))
        wrong = await patch(client, url, 0, first, upload_checksum=checksum("sha1", b"other"))
        assert problem(wrong) == (460, "tus_checksum_mismatch")
        assert await offset_of(client, url) == 0
        right = await patch(client, url, 0, first, upload_checksum=checksum("sha1", first))
        assert right.status_code == 204, right.text
        for bad in ("sha3 abc=", "sha1 !!", "sha1 YWJj"):
            refused = await patch(client, url, len(first), rest, upload_checksum=bad)
            assert problem(refused) == (400, "tus_invalid_request")
        wrong = await patch(client, url, len(first), rest, upload_checksum=checksum("crc32", first))
        assert wrong.status_code == 460
        right = await patch(client, url, len(first), rest, upload_checksum=checksum("crc32", rest))
        assert right.status_code == 204
    assert ingest.content(url.rpartition("/")[2]) == content


async def test_damaged_bodies_are_counted_for_their_sender(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discarded, "_BUCKET", Bucket(3600 * MICROS, 3))
    content = clip(MIB)
    wrong = "sha1 " + base64.b64encode(hashlib.sha1(b"other").digest()).decode()
    right = "sha1 " + base64.b64encode(hashlib.sha1(content).digest()).decode()
    async with ingest.client() as client, ingest.client("eve") as other:
        url = await create(client, len(content))
        statuses = [
            (await patch(client, url, 0, content, upload_checksum=wrong)).status_code
            for _ in range(4)
        ]
        assert statuses == [460] * 3 + [429]
        # Others, and bodies that have nothing to compare, go on.
        theirs = await create(other, len(content))
        answer = await patch(other, theirs, 0, content, upload_checksum=right)
        assert answer.status_code == 204, answer.text
        assert (await patch(client, url, 0, content)).status_code == 204
