"""Uploads that are slow, many, or both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from services.ingest.http import body
from tests.integration.ingest.forms import CONTENT_TYPE, UPLOAD, form, problem, send
from tests.integration.ingest.harness import Ingest, clip, config, running
from tests.integration.ingest.tus_client import FILM, STREAM, TUS, UPLOADS, create
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wait import eventually

TITLE = ("title", None, b"A title")
MIB = 1024 * 1024
SMALL = form(TITLE, ("video", "a.mp4", clip(14_000)))
LARGE = form(TITLE, ("video", "a.mp4", clip(MIB)))
DRAFT = {"content-type": "application/partial-upload", "upload-complete": "?0"}


async def trickle(content: bytes, pauses: int = 30) -> AsyncIterator[bytes]:
    """A beginning, then a byte now and then; it ends by itself, so that its sender hears."""
    yield content[:2000]
    for at in range(2000, 2000 + pauses):
        await asyncio.sleep(0.05)
        yield content[at : at + 1]


async def trickling(client: httpx.AsyncClient, pauses: int = 30) -> httpx.Response:
    return await client.post(
        UPLOAD, content=trickle(LARGE, pauses), headers={"content-type": CONTENT_TYPE}
    )


@pytest.mark.parametrize(("uploads", "users"), [(200, 1), (60, 20)])
async def test_many_small_uploads_at_once_are_all_taken(
    database: Database, s3: Buckets, uploads: int, users: int
):
    async with running(config(database, s3), s3) as ingest:
        tokens = [f"Bearer {ingest.token(f'user-{number}')}" for number in range(users)]
        limits = httpx.Limits(max_connections=uploads)
        async with httpx.AsyncClient(base_url=ingest.url, limits=limits, timeout=120) as client:
            answers = await asyncio.gather(
                *(
                    send(client, SMALL, authorization=tokens[number % users])
                    for number in range(uploads)
                )
            )
        assert {answer.status_code for answer in answers} == {202}
        assert ingest.parts.steps.slots.receiving == 0


async def test_uploads_that_trickle_leave_slots_to_others(database: Database, s3: Buckets):
    settings = config(database, s3, max_uploads_at_once=16, upload_slow_seconds=4)
    async with (
        running(settings, s3) as ingest,
        ingest.client("eve") as eve,
        ingest.client("bob") as bob,
    ):
        slots = ingest.parts.steps.slots
        slow = [asyncio.create_task(trickling(eve, pauses=120)) for _ in range(20)]
        await eventually(lambda: slots.receiving == 8)
        assert problem(await send(eve, LARGE)) == (429, "too_many_uploads")
        for body in (LARGE, SMALL):
            assert (await send(bob, body)).status_code == 202
        answers = [problem(answer) for answer in await asyncio.gather(*slow)]
        assert answers.count((408, "upload_stalled")) == 8
        assert answers.count((429, "too_many_uploads")) == 12
        assert slots.receiving == 0


async def test_trickles_from_two_addresses_leave_slots_to_others(
    database: Database, s3: Buckets, monkeypatch: pytest.MonkeyPatch
):
    """Many accounts at a few addresses fill all slots, each within its own limits."""
    monkeypatch.setattr(body, "PATIENCE", 0.3)
    settings = config(database, s3, max_uploads_at_once=16)
    async with running(settings, s3) as ingest, ingest.client("bob") as bob:
        slots = ingest.parts.steps.slots

        async def attack(number: int) -> httpx.Response:
            headers = {"x-cinelog-client": f"198.51.100.{number % 2}"}
            async with ingest.client(f"eve-{number // 2}") as eve:
                eve.headers.update(headers)
                return await trickling(eve, pauses=600)

        slow = [asyncio.create_task(attack(number)) for number in range(16)]
        await eventually(lambda: slots.receiving == 16)
        await eventually(lambda: all(held.body.slow for held in slots._held))
        for _ in range(4):
            assert (await send(bob, LARGE)).status_code == 202
        # No more are ended than were needed.
        await eventually(lambda: 12 <= slots.receiving < 16)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        await eventually(lambda: slots.receiving == 0)


async def by_form(client: httpx.AsyncClient) -> httpx.Response:
    return await trickling(client)


async def by_creation(client: httpx.AsyncClient) -> httpx.Response:
    headers = TUS | FILM | STREAM | {"upload-length": str(MIB)}
    return await client.post(UPLOADS, content=trickle(clip(MIB)), headers=headers)


async def by_tus(client: httpx.AsyncClient) -> httpx.Response:
    url = await create(client, MIB)
    headers = TUS | STREAM | {"upload-offset": "0"}
    return await client.patch(url, content=trickle(clip(MIB)), headers=headers)


async def by_override(client: httpx.AsyncClient) -> httpx.Response:
    url = await create(client, MIB)
    headers = TUS | STREAM | {"upload-offset": "0", "x-http-method-override": "PATCH"}
    return await client.post(url, content=trickle(clip(MIB)), headers=headers)


async def by_draft(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(
        f"{UPLOADS}?title=A", content=trickle(clip(MIB)), headers={"upload-complete": "?1"}
    )


async def by_draft_append(client: httpx.AsyncClient) -> httpx.Response:
    begun = await client.post(f"{UPLOADS}?title=A", headers={"upload-complete": "?0"})
    return await client.patch(
        begun.headers["location"],
        content=trickle(clip(MIB)),
        headers=DRAFT | {"upload-offset": "0"},
    )


@pytest.mark.parametrize(
    "protocol", [by_form, by_creation, by_tus, by_override, by_draft, by_draft_append]
)
async def test_a_trickle_ends_in_every_protocol(
    database: Database,
    s3: Buckets,
    protocol: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]],
):
    settings = config(database, s3, upload_slow_seconds=0.5)
    async with running(settings, s3) as ingest, ingest.client("eve") as eve:
        assert problem(await protocol(eve)) == (408, "upload_stalled")
        assert ingest.parts.steps.slots.receiving == 0
        if protocol is not by_form:
            await _goes_on(ingest, eve)


async def _goes_on(ingest: Ingest, eve: httpx.AsyncClient) -> None:
    """What arrived is kept, and the upload goes on from there."""
    row = (await ingest.rows())[0]
    assert row["received"] >= 2000
    assert not row["held"]
