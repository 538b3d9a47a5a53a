"""tus 1.0.0 as a client sees it: creation, extensions, and what is refused."""

import hashlib
from itertools import pairwise

import httpx
import pytest

from shared.contracts import (
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    VideoUploaded,
    new_id,
)
from tests.integration.ingest.forms import problem, send
from tests.integration.ingest.harness import (
    ForgetfulStore,
    Ingest,
    clip,
)
from tests.integration.ingest.tus_client import (
    FILM,
    MIB,
    STREAM,
    TUS,
    UPLOADS,
    create,
    metadata,
    offset_of,
    patch,
)


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


async def test_the_key_of_an_expired_upload_makes_a_new_one_before_the_sweep(
    ingest: Ingest,
) -> None:
    content = clip(9000)
    async with ingest.client() as client:
        first = await create(client, len(content), idempotency_key="k")
        await ingest.age()
        second = await create(client, len(content), idempotency_key="k")
        assert second != first
        assert (await patch(client, second, 0, content)).status_code == 204
    assert isinstance((await ingest.events(first.rpartition("/")[2]))[-1], UploadExpired)
    assert isinstance((await ingest.events(second.rpartition("/")[2]))[-1], VideoUploaded)


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


@pytest.mark.parametrize("title", [None, "x" * 201])
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
