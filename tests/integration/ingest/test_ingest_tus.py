"""tus 1.0.0 as a client sees it: resume anywhere, lose nothing that was acknowledged."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from services.ingest.handlers import discarded
from shared.contracts import (
    UploadAborted,
    UploadRejected,
    UploadStarted,
    VideoUploaded,
    new_id,
)
from shared.token_bucket import MICROS, Bucket
from tests.integration.ingest.forms import problem, send
from tests.integration.ingest.harness import (
    ForgetfulStore,
    Ingest,
    StaticKeys,
    clip,
    config,
    footage,
    running,
)
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.processes import working
from tests.support.wait import eventually

UPLOADS = "/api/v1/uploads"
MIB = 1024 * 1024
TUS = {"tus-resumable": "1.0.0"}
STREAM = {"content-type": "application/offset+octet-stream"}


def metadata(**pairs: str) -> dict[str, str]:
    encoded = [f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items()]
    return {"upload-metadata": ",".join(encoded)}


FILM = metadata(title="My film", description="Words", filename="film.mp4", tags="a,b")


async def create(client: httpx.AsyncClient, length: int | None, **headers: str) -> str:
    size = {"upload-defer-length": "1"} if length is None else {"upload-length": str(length)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.post(UPLOADS, headers=TUS | FILM | size | named)
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer.headers["location"]


async def patch(
    client: httpx.AsyncClient, url: str, offset: int, content: Any, **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.patch(
        url, content=content, headers=TUS | STREAM | {"upload-offset": str(offset)} | named
    )


async def offset_of(client: httpx.AsyncClient, url: str) -> int:
    answer = await client.head(url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


async def stalling(content: bytes, end: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """Some bytes, and then nothing, until ``end``."""
    yield content
    await (end or asyncio.Event()).wait()


async def test_what_the_server_can_do_is_said_without_a_login(ingest: Ingest) -> None:
    async with ingest.client(None) as client:
        answer = await client.options(UPLOADS)
        assert answer.status_code == 204
        assert answer.headers["tus-version"] == "1.0.0"
        assert answer.headers["tus-max-size"] == str(64 * MIB)
        assert set(answer.headers["tus-extension"].split(",")) == {
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "checksum",
            "expiration",
            "termination",
            "concatenation",
        }
        assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")
        assert (await client.post(UPLOADS, headers=TUS)).status_code == 401
        assert (await client.head(f"{UPLOADS}/{new_id()}", headers=TUS)).status_code == 401


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


async def test_creation_with_all_the_bytes(ingest: Ingest) -> None:
    content = clip(9000)
    async with ingest.client() as client:
        answer = await client.post(
            UPLOADS, content=content, headers=TUS | STREAM | FILM | {"upload-length": "9000"}
        )
    assert answer.status_code == 201, answer.text
    assert answer.headers["upload-offset"] == "9000"
    uploaded = (await ingest.events(answer.headers["location"].rpartition("/")[2]))[-1]
    assert isinstance(uploaded, VideoUploaded)
    assert uploaded.sha256 == hashlib.sha256(content).hexdigest()


async def test_a_length_that_is_said_later(ingest: Ingest) -> None:
    content = clip(9000)
    async with ingest.client() as client:
        url = await create(client, None)
        answer = await client.head(url, headers=TUS)
        assert answer.headers["upload-defer-length"] == "1"
        assert "upload-length" not in answer.headers
        assert (await patch(client, url, 0, content[:5000])).status_code == 204
        again = await patch(client, url, 5000, b"", upload_length="9000")
        assert again.status_code == 204
        changed = await patch(client, url, 5000, b"", upload_length="9001")
        assert problem(changed) == (400, "tus_invalid_request")
        assert (await patch(client, url, 5000, content[5000:])).status_code == 204
        assert (await client.head(url, headers=TUS)).headers["upload-length"] == "9000"
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


async def test_what_the_protocol_refuses(ingest: Ingest) -> None:
    async with ingest.client() as client, ingest.client("bob") as bob:
        url = await create(client, 9000)
        cases = [
            (await client.post(UPLOADS, headers=FILM | {"upload-length": "1"}), 412),
            (await client.post(UPLOADS, headers=TUS | FILM), 400),
            (await client.post(UPLOADS, headers=TUS | FILM | {"upload-length": "-1"}), 400),
            (await client.post(UPLOADS, headers=TUS | FILM | {"upload-length": "0"}), 400),
            (await client.post(UPLOADS, headers=TUS | {"upload-length": "1"}), 400),
            (
                await client.post(
                    UPLOADS, headers=TUS | FILM | {"upload-length": str(64 * MIB + 1)}
                ),
                413,
            ),
            (
                await client.post(
                    UPLOADS,
                    headers=TUS | {"upload-length": "1", "upload-metadata": "title ???"},
                ),
                400,
            ),
            (await patch(client, url, 5, b"x"), 409),
            (await patch(client, url, 0, b"x", content_type="video/mp4"), 415),
            (await patch(client, url, 0, clip(9001)), 413),
            (await patch(client, f"{UPLOADS}/{new_id()}", 0, b"x"), 404),
            (await client.patch(url, content=b"x", headers=TUS | STREAM), 400),
            (await patch(bob, url, 0, b"x"), 404),
            (await bob.delete(url, headers=TUS), 404),
            (await client.patch(url, content=b"x", headers=STREAM), 412),
            (await client.put(url, content=b"x"), 405),
        ]
        for place, (answer, status) in enumerate(cases):
            assert answer.status_code == status, (place, answer.text)
            assert answer.json()["error"]["code"] == status
            assert place == len(cases) - 1 or answer.headers["tus-resumable"] == "1.0.0"
        assert (await client.head(f"{UPLOADS}/not-an-id", headers=TUS)).status_code in {400, 404}
        assert (await bob.head(url, headers=TUS)).status_code == 404
        assert await offset_of(client, url) == 0


async def test_what_is_no_video_is_rejected_at_its_first_bytes(ingest: Ingest) -> None:
    async with ingest.client() as client:
        url = await create(client, 50 * MIB)
        answer = await patch(client, url, 0, b"#EXTM3U\n" + b"#" * 9000)
        assert problem(answer) == (400, "not_a_video")
        assert (await client.head(url, headers=TUS)).status_code == 404
    assert isinstance((await ingest.events(url.rpartition("/")[2]))[-1], UploadRejected)
    assert ingest.objects() == {}


async def test_termination(ingest: Ingest) -> None:
    async with ingest.client() as client:
        url = await create(client, 20 * MIB)
        await patch(client, url, 0, clip(8 * MIB))
        answer = await client.delete(url, headers=TUS)
        assert answer.status_code == 204
        assert (await client.head(url, headers=TUS)).status_code == 404
        assert (await patch(client, url, 8 * MIB, b"x")).status_code == 404
        done = await create(client, 9000)
        await patch(client, done, 0, clip(9000))
        assert (await client.delete(done, headers=TUS)).status_code == 409
    assert isinstance((await ingest.events(url.rpartition("/")[2]))[-1], UploadAborted)
    assert list(ingest.objects()) == [f"{done.rpartition('/')[2]}/source"]
    assert ingest.unfinished() == []


async def test_expired_uploads_are_gone_before_and_after_the_sweep(ingest: Ingest) -> None:
    async with ingest.client() as client:
        url = await create(client, 20 * MIB)
        await patch(client, url, 0, clip(8 * MIB))
        await ingest.age()
        assert (await client.head(url, headers=TUS)).status_code == 404
        assert (await patch(client, url, 8 * MIB, b"x")).status_code == 404
        assert (await ingest.parts.sweep.round()).expired == 1
        assert (await client.head(url, headers=TUS)).status_code == 404
    assert ingest.objects() == {}
    assert ingest.unfinished() == []


async def test_concatenation_of_parallel_uploads(ingest: Ingest) -> None:
    content = clip(13 * MIB)
    cuts = [0, 6 * MIB, 6 * MIB + 10, len(content)]
    async with ingest.client() as client:
        urls = []
        for start, end in pairwise(cuts):
            url = await create(client, end - start, upload_concat="partial")
            early = await client.post(
                UPLOADS, headers=TUS | FILM | {"upload-concat": f"final;{url}"}
            )
            assert problem(early) == (400, "tus_invalid_request")
            assert (await patch(client, url, 0, content[start:end])).status_code == 204
            assert (await client.head(url, headers=TUS)).headers["upload-concat"] == "partial"
            urls.append(url)
        absolute = f"{ingest.url}{urls[0]}"
        final = await client.post(
            UPLOADS,
            headers=TUS | FILM | {"upload-concat": f"final;{absolute} {urls[1]} {urls[2]}"},
        )
        assert final.status_code == 201, final.text
        assert final.headers["upload-offset"] == str(len(content))
        head = await client.head(final.headers["location"], headers=TUS)
        assert head.headers["upload-length"] == str(len(content))
        assert head.headers["upload-concat"] == "final;" + " ".join(urls)
        bob = await create_foreign(ingest, urls[0])
        assert bob.status_code == 404
    video_id = final.headers["location"].rpartition("/")[2]
    assert ingest.content(video_id) == content
    assert [type(event) for event in await ingest.all_events()] == [UploadStarted, VideoUploaded]
    await ingest.age()
    await ingest.parts.sweep.round()
    assert list(ingest.objects()) == [f"{video_id}/source"]


async def create_foreign(ingest: Ingest, url: str) -> httpx.Response:
    async with ingest.client("bob") as bob:
        return await bob.post(UPLOADS, headers=TUS | FILM | {"upload-concat": f"final;{url}"})


async def test_a_repeated_creation_leads_to_the_same_upload(ingest: Ingest) -> None:
    async with ingest.client() as client:
        first = await create(client, 9000, idempotency_key="k")
        assert await create(client, 9000, idempotency_key="k") == first
        other = await client.post(
            UPLOADS, headers=TUS | FILM | {"upload-length": "9001", "idempotency-key": "k"}
        )
        assert problem(other) == (409, "idempotency_key_reused")
        form = await send(client, b"--cinelog-test-boundary--\r\n", idempotency_key="k")
        assert problem(form) == (409, "idempotency_key_reused")


async def test_a_creation_that_died_before_the_log_is_taken_up(ingest: Ingest) -> None:
    events = ingest.parts.events
    store, events._store = events._store, ForgetfulStore(events._store, UploadStarted)
    async with ingest.client() as client:
        size = {"upload-length": "9000", "idempotency-key": "k"}
        answer = await client.post(UPLOADS, headers=TUS | FILM | size)
        assert problem(answer) == (503, "log_unavailable")
        events._store = store
        url = await create(client, 9000, idempotency_key="k")
        assert (await patch(client, url, 0, clip(9000))).status_code == 204
    assert [type(event) for event in await ingest.all_events()] == [UploadStarted, VideoUploaded]


async def test_clients_that_can_only_post(ingest: Ingest) -> None:
    async with ingest.client() as client:
        url = await create(client, 9000)
        answer = await client.post(
            url,
            content=clip(9000),
            headers=TUS | STREAM | {"upload-offset": "0", "x-http-method-override": "PATCH"},
        )
        assert answer.status_code == 204
        bad = await client.post(url, headers=TUS | {"x-http-method-override": "PUT"})
        assert bad.status_code == 400


@pytest.mark.parametrize("title", [None, "x" * 101])
async def test_the_title_falls_back_to_the_filename(ingest: Ingest, title: str | None) -> None:
    pairs = {"filename": "holiday.final.mov"} | ({"title": title} if title else {})
    async with ingest.client() as client:
        answer = await client.post(
            UPLOADS, headers=TUS | metadata(**pairs) | {"upload-length": "9000"}
        )
        if title:
            assert problem(answer) == (400, "invalid_details")
            return
    (started,) = await ingest.all_events()
    assert isinstance(started, UploadStarted)
    assert started.title == "holiday.final"
