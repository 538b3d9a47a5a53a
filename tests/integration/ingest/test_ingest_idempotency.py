"""A request that is sent again with its idempotency key is the same upload."""

import asyncio

from services.ingest.details import Details
from shared.contracts import (
    UploadExpired,
    VideoUploaded,
)
from tests.integration.ingest.forms import CONTENT_TYPE, TITLE, UPLOAD, form, problem, send, slowly
from tests.integration.ingest.harness import (
    Ingest,
    clip,
)
from tests.support.processes import working
from tests.support.wait import eventually

MIB = 1024 * 1024


async def test_a_key_answers_the_same_request_the_same_way(ingest: Ingest) -> None:
    content = clip(6 * MIB)
    body = form(TITLE, ("video", "a.mp4", content))
    async with ingest.client() as client:
        first = await send(client, body, idempotency_key="k-1")
        again = await send(client, body, idempotency_key="k-1")
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert first.headers["location"] == again.headers["location"]
        for other in (
            form(("title", None, b"Another"), ("video", "a.mp4", content)),
            form(TITLE, ("video", "a.mp4", content[:-1] + b"!")),
            form(TITLE, ("video", "a.mp4", content + b"!")),
        ):
            answer = await send(client, other, idempotency_key="k-1")
            assert problem(answer) == (409, "idempotency_key_reused")
        bad = await send(client, body, idempotency_key="k" * 256)
        assert problem(bad) == (400, "invalid_input")
    async with ingest.client("bob") as client:
        foreign = await send(client, body, idempotency_key="k-1")
        assert foreign.status_code == 202
        assert foreign.json() != first.json()
    assert len(ingest.objects()) == 2


async def test_a_refused_request_does_not_use_up_its_key(ingest: Ingest) -> None:
    async with ingest.client() as client:
        bad = await send(client, form(TITLE, ("video", "a", b"text")), idempotency_key="k")
        good = await send(client, form(TITLE, ("video", "a", clip(9000))), idempotency_key="k")
    assert (bad.status_code, good.status_code) == (400, 202)


async def test_a_retry_replaces_the_request_that_still_hangs(ingest: Ingest) -> None:
    body = form(TITLE, ("video", "a.mp4", clip(12 * MIB)))
    async with ingest.client() as client:
        hanging = asyncio.create_task(
            client.post(
                UPLOAD,
                content=slowly(body, 7 * MIB, asyncio.Event()),
                headers={"content-type": CONTENT_TYPE, "idempotency-key": "k"},
            )
        )
        await eventually(lambda: bool(ingest.unfinished()))
        async with working(ingest.process):
            answer = await send(client, body, idempotency_key="k")
        assert answer.status_code == 202, answer.text
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
    uploaded = [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert len(uploaded) == 1
    assert list(ingest.objects()) == [uploaded[0].source_key]


async def test_a_retry_does_not_wait_for_the_sweep(ingest: Ingest) -> None:
    """Its predecessor's process died, and its time is over."""
    starter = ingest.parts.steps.starter
    dead = starter.new_upload("ann", "multipart", Details(title="x"), idempotency_key="k")
    await starter.start(dead)
    await ingest.age(dead.id)
    async with ingest.client() as client:
        answer = await send(
            client, form(TITLE, ("video", "a.mp4", clip(9000))), idempotency_key="k"
        )
    assert answer.status_code == 202, answer.text
    assert isinstance((await ingest.events(dead.id))[-1], UploadExpired)
    (row,) = await ingest.rows()
    assert str(row["id"]) == answer.json()["data"]["job_id"]


async def test_two_at_once_with_one_key_make_one_video(ingest: Ingest) -> None:
    body = form(TITLE, ("video", "a.mp4", clip(6 * MIB)))
    async with ingest.client() as client:
        answers = await asyncio.gather(*(send(client, body, idempotency_key="k") for _ in range(3)))
    statuses = [answer.status_code for answer in answers]
    assert 202 in statuses
    assert set(statuses) <= {202, 409}
    jobs = {a.json()["data"]["job_id"] for a in answers if a.status_code == 202}
    uploaded = [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert {event.video_id for event in uploaded} == jobs
    assert len(uploaded) == 1
    assert list(ingest.objects()) == [uploaded[0].source_key]
