"""One account cannot fill the storage, nor be refused more than its own share."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from services.ingest.details import Details
from services.ingest.handlers import resumable
from tests.integration.ingest.forms import CONTENT_TYPE, UPLOAD, form, problem
from tests.integration.ingest.harness import Ingest, clip, config, running
from tests.integration.ingest.tus_client import FILM, TUS, UPLOADS, create, offset_of, patch
from tests.support.buckets import Buckets
from tests.support.databases import Database

MIB, GIB = 1024**2, 1024**3
CLIP = clip(20_000)
EXCEEDED = (403, "quota_exceeded")


@pytest.fixture
async def ingest(database: Database, s3: Buckets) -> AsyncIterator[Ingest]:
    limits: dict[str, Any] = {"quota_bytes": 10 * MIB, "quota_encode_minutes": 10}
    async with running(config(database, s3, **limits), s3) as started:
        yield started


@pytest.fixture
async def usual(database: Database, s3: Buckets) -> AsyncIterator[Ingest]:
    """With the limits of an installation."""
    async with running(config(database, s3, max_upload_bytes=20 * GIB), s3) as started:
        yield started


async def used(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/users/me/usage")
    assert answer.status_code == 200, answer.text
    return {name: share["used"] for name, share in answer.json()["data"].items()}


async def test_150_uploads_of_20_gib_are_not_all_opened(usual: Ingest) -> None:
    size = {"upload-length": str(20 * GIB)}
    async with usual.client() as client:
        answers = await asyncio.gather(
            *(client.post(UPLOADS, headers=TUS | FILM | size) for _ in range(150))
        )
        opened = [answer for answer in answers if answer.status_code == 201]
        assert {problem(a) for a in answers if a.status_code != 201} == {EXCEEDED}
        assert 0 < len(opened) <= 50
        assert (await used(client))["bytes"] == len(opened) * 20 * GIB
    async with usual.client("bob") as others:
        assert (await others.post(UPLOADS, headers=TUS | FILM | size)).status_code == 201


async def test_bytes_of_unknown_number_are_refused_as_they_come(ingest: Ingest) -> None:
    """Nothing that a client leaves unsaid lets it store more."""
    async with ingest.client() as client:
        urls = [await create(client, None) for _ in range(3)]
        content = clip(9 * MIB)
        answers = [await patch(client, url, 0, content) for url in urls]
        assert answers[0].status_code == 204
        assert [problem(answer) for answer in answers[1:]] == [EXCEEDED] * 2
        assert (await used(client))["bytes"] <= 10 * MIB


async def test_a_form_without_a_length_is_refused(ingest: Ingest) -> None:
    async with ingest.client() as client:
        await create(client, 9 * MIB)
        body = form(("title", None, b"A title"), ("video", "x.mp4", clip(30 * MIB)))

        async def trickle() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65_536):
                yield body[start : start + 65_536]

        answer = await client.post(
            UPLOAD, content=trickle(), headers={"content-type": CONTENT_TYPE}
        )
        assert problem(answer) == EXCEEDED
        assert (await used(client))["bytes"] == 9 * MIB


async def partial(client: httpx.AsyncClient, content: bytes) -> str:
    url = await create(client, len(content), upload_concat="partial")
    assert (await patch(client, url, 0, content)).status_code == 204
    return url


async def test_a_part_is_joined_once_however_many_ask_at_a_time(ingest: Ingest) -> None:
    async with ingest.client() as client:
        url = await partial(client, CLIP)
        final = {"upload-concat": f"final;{url}"}
        joins = await asyncio.gather(
            *(client.post(UPLOADS, headers=TUS | FILM | final) for _ in range(8))
        )
        statuses = [answer.status_code for answer in joins]
        assert statuses.count(201) == 1
        assert set(statuses) <= {201, 404, 409}
        usage = await used(client)
        assert (usage["bytes"], usage["videos"]) == (len(CLIP), 1)


async def test_parts_of_a_failed_join_may_be_joined_again(ingest: Ingest) -> None:
    async with ingest.client() as client:
        parts = [await partial(client, CLIP[:50]), await partial(client, b"no video " * 20)]
        wrong = {"upload-concat": f"final;{parts[1]} {parts[0]}"}
        assert (await client.post(UPLOADS, headers=TUS | FILM | wrong)).status_code == 400
        right = {"upload-concat": f"final;{parts[0]} {parts[1]}"}
        answer = await client.post(UPLOADS, headers=TUS | FILM | right)
        assert answer.status_code == 201, answer.text


async def test_bodies_with_a_checksum_are_small(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "MAX_CHECKED", 1000)
    async with ingest.client() as client:
        url = await create(client, None)
        wrong = "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="
        answer = await patch(client, url, 0, CLIP, upload_checksum=wrong)
        assert answer.status_code == 413, answer.text
        small = await patch(client, url, 0, CLIP[:1000], upload_checksum=wrong)
        assert small.status_code == 460
        assert await offset_of(client, url) == 0


async def test_what_is_joined_counts_although_its_parts_are_deleted(
    database: Database, ingest: Ingest
) -> None:
    async with ingest.client() as client:
        parts = [await partial(client, CLIP), await partial(client, CLIP)]
        ids = [url.rpartition("/")[2] for url in parts]
        # As it is while the parts are copied.
        await ingest.parts.steps.starter.start(
            replace(
                ingest.parts.steps.starter.new_upload("ann", "tus", Details(title="A")),
                length=2 * len(CLIP),
                joined=tuple(ids),
            )
        )
        assert (await used(client))["bytes"] == 2 * len(CLIP)
        assert (await client.delete(parts[0], headers=TUS)).status_code == 204
        assert (await used(client))["bytes"] == 2 * len(CLIP)
