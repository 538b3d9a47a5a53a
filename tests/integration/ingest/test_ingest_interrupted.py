"""A request or process ends at an awkward moment: what counts is what was sent, and not lost."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.ingest.handlers.concatenation import Concatenation
from services.ingest.handlers.limits import Limits
from services.ingest.handlers.resumable import Resumable
from services.ingest.ports import UploadLost
from services.ingest.rows import DatabaseUnavailable
from shared.contracts import (
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    UserDeleted,
    VideoUploaded,
    stream_id,
)
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest, clip, record
from tests.integration.ingest.tus_client import FILM, MIB, TUS, UPLOADS, create, offset_of, patch
from tests.support.databases import Database
from tests.support.processes import working


class Arriving:
    """A request's body of these pieces; ``end`` is raised in place of its end."""

    address = None
    slow = False

    def __init__(self, *pieces: bytes, end: Exception | None = None) -> None:
        self._pieces = pieces
        self._end = end
        self.length = sum(map(len, pieces))

    def interrupt(self) -> None: ...

    def displace(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._end is not None:
            raise self._end


def resumable(ingest: Ingest) -> Resumable:
    """The operations of tus, without a server that would hold a request's end back."""
    parts = ingest.parts
    return Resumable(
        parts.steps,
        Concatenation(parts.steps, parts.uploads, parts.sources),
        parts.uploads,
        Limits(max_bytes=64 * MIB, at_once=8),
    )


@pytest.mark.parametrize("part_two", ["is stored", "fails"])
async def test_a_request_cancelled_while_a_part_is_on_its_way_leaves_no_hole(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, part_two: str
) -> None:
    content = clip(20 * MIB)
    sending, go_on = asyncio.Event(), asyncio.Event()
    put_part = ingest.parts.sources.put_part

    async def slow(key: str, multipart_id: str, number: int, data: bytes) -> Any:
        if number == 2:
            sending.set()
            await go_on.wait()
            if part_two == "fails":
                raise ConnectionError("the bucket went away")
        return await put_part(key, multipart_id, number, data)

    async with ingest.client() as client:
        url = await create(client, len(content))
        upload_id = url.rpartition("/")[2]
        # One piece of three parts: the third waits until the second is stored.
        body = Arriving(content[: 15 * MIB])
        with monkeypatch.context() as patched:
            patched.setattr(ingest.parts.sources, "put_part", slow)
            request = asyncio.create_task(resumable(ingest).append("ann", upload_id, 0, body))
            await sending.wait()
            request.cancel()
            go_on.set()
            await asyncio.gather(request, return_exceptions=True)
        kept = await offset_of(client, url)
        assert kept == (15 * MIB if part_two == "is stored" else 5 * MIB)
        answer = await patch(client, url, kept, content[kept:])
        assert answer.status_code == 204, answer.text
    assert ingest.content(upload_id) == content


async def stored_whole(ingest: Ingest, client: httpx.AsyncClient, content: bytes) -> str:
    """The address of an upload whose request was interrupted between its last byte and its end."""
    url = await create(client, len(content))
    lost = UploadLost("Another request goes on with this upload.")
    with pytest.raises(UploadLost):
        await resumable(ingest).append(
            "ann", url.rpartition("/")[2], 0, Arriving(content, end=lost)
        )
    (row,) = await ingest.rows()
    assert (row["phase"], row["received"]) == ("open", len(content))
    return url


@pytest.mark.parametrize("size", [300_000, 6 * MIB])
async def test_who_is_told_that_all_bytes_are_there_has_a_video(ingest: Ingest, size: int) -> None:
    content = clip(size)
    async with ingest.client() as client:
        url = await stored_whole(ingest, client, content)
        assert await offset_of(client, url) == size
        assert await offset_of(client, url) == size
    upload_id = url.rpartition("/")[2]
    assert [type(event) for event in await ingest.events(upload_id)] == [
        UploadStarted,
        VideoUploaded,
    ]
    assert ingest.content(upload_id) == content
    assert list(ingest.objects()) == [f"{upload_id}/source"]


async def test_a_hiccup_after_the_last_byte_does_not_keep_the_video(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = clip(6 * MIB)

    async def away(*_: object) -> None:
        raise DatabaseUnavailable("The upload cannot be recorded right now.")

    async with ingest.client() as client:
        url = await create(client, len(content))
        with monkeypatch.context() as patched:
            patched.setattr(ingest.parts.uploads, "begin_completing", away)
            answer = await patch(client, url, 0, content)
            assert problem(answer) == (503, "database_unavailable")
            # Nobody is told that all is there while nothing is sure.
            assert (await client.head(url, headers=TUS)).status_code == 503
        assert await offset_of(client, url) == len(content)
    upload_id = url.rpartition("/")[2]
    assert isinstance((await ingest.events(upload_id))[-1], VideoUploaded)
    assert ingest.content(upload_id) == content


@pytest.mark.parametrize("expired", [False, True], ids=["left", "expired"])
async def test_the_sweep_completes_what_its_client_never_asks_for(
    ingest: Ingest, expired: bool
) -> None:
    content = clip(6 * MIB)
    async with ingest.client() as client:
        url = await stored_whole(ingest, client, content)
    upload_id = url.rpartition("/")[2]
    assert (await ingest.parts.sweep.round()).finished == 0
    if expired:
        await ingest.age(upload_id)
    else:
        await ingest.store._pool.execute(
            "update ingest.uploads set updated_at = updated_at - interval '6 minutes'"
        )
    swept = await ingest.parts.sweep.round()
    assert (swept.finished, swept.expired) == (1, 0)
    assert isinstance((await ingest.events(upload_id))[-1], VideoUploaded)
    assert ingest.content(upload_id) == content


@pytest.mark.parametrize("why", ["it is no video", "its account is deleted"])
async def test_what_cannot_become_a_video_ends_though_it_is_whole(
    ingest: Ingest, database: Database, why: str
) -> None:
    # So few bytes are looked at only when all are there.
    content = b"\0" * 100 if why == "it is no video" else clip(100)
    async with ingest.client() as client:
        url = await stored_whole(ingest, client, content)
    upload_id = url.rpartition("/")[2]
    if why == "its account is deleted":
        await record(database, stream_id("user", "ann"), UserDeleted(user_id="ann"))
    await ingest.age(upload_id)
    assert (await ingest.parts.sweep.round()).removed == 1
    ended = UploadRejected if why == "it is no video" else UploadExpired
    assert isinstance((await ingest.events(upload_id))[-1], ended)
    assert await ingest.rows() == []
    assert ingest.objects() == {}
    assert ingest.unfinished() == []


async def partials(client: httpx.AsyncClient, *contents: bytes) -> dict[str, str]:
    """The headers that join partial uploads of these contents."""
    urls: list[str] = []
    for content in contents:
        urls.append(await create(client, len(content), upload_concat="partial"))
        assert (await patch(client, urls[-1], 0, content)).status_code == 204
    return TUS | FILM | {"upload-concat": "final;" + " ".join(urls)}


@asynccontextmanager
async def joining(
    ingest: Ingest, client: httpx.AsyncClient, headers: dict[str, str]
) -> AsyncGenerator[tuple[asyncio.Task[httpx.Response], asyncio.Event]]:
    """A request that joins, and hangs in the middle until the event is set."""
    go_on, is_copying = asyncio.Event(), asyncio.Event()
    original = ingest.parts.sources.open

    async def hanging(key: str) -> AsyncIterator[bytes]:
        is_copying.set()
        await go_on.wait()
        async for chunk in original(key):
            yield chunk

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingest.parts.sources, "open", hanging)
        request = asyncio.create_task(client.post(UPLOADS, headers=headers))
        await is_copying.wait()
    try:
        yield request, go_on
    finally:
        go_on.set()
        await request


@pytest.mark.parametrize("key", [{"idempotency-key": "k"}, {}], ids=["key", "no key"])
@pytest.mark.parametrize("expired", [False, True], ids=["silent", "expired"])
async def test_parts_whose_joining_process_died_are_joined_again(
    ingest: Ingest, key: dict[str, str], expired: bool
) -> None:
    content = clip(6 * MIB)
    async with ingest.client() as client:
        headers = await partials(client, content[:-1000], content[-1000:]) | key
        # Nobody hears of the first request before the second is answered.
        async with joining(ingest, client, headers) as (first, _):
            (dead,) = [str(row["id"]) for row in await ingest.rows() if row["joined"]]
            if expired:
                await ingest.age(dead)
            else:
                await ingest.store._pool.execute(
                    "update ingest.uploads set updated_at = updated_at - interval '2 minutes'"
                )
            answer = await client.post(UPLOADS, headers=headers)
            assert answer.status_code == 201, answer.text
            assert answer.headers["upload-offset"] == str(len(content))
        assert not (await first).is_success
    made = answer.headers["location"].rpartition("/")[2]
    assert isinstance((await ingest.events(made))[-1], VideoUploaded)
    assert ingest.content(made) == content
    ended = UploadExpired if expired else UploadAborted
    assert isinstance((await ingest.events(dead))[-1], ended)
    assert list(ingest.objects()) == [f"{made}/source"]


async def test_a_repeated_join_waits_for_the_first_which_nothing_interrupts(ingest: Ingest) -> None:
    content = clip(6 * MIB)
    async with ingest.client() as client, working(ingest.process):
        headers = await partials(client, content) | {"idempotency-key": "k"}
        async with joining(ingest, client, headers) as (first, go_on):
            again = asyncio.create_task(client.post(UPLOADS, headers=headers))
            (final,) = [str(row["id"]) for row in await ingest.rows() if row["joined"]]
            assert await offset_of(client, f"{UPLOADS}/{final}") == 0
            refused = await patch(client, f"{UPLOADS}/{final}", 0, b"x")
            assert problem(refused) == (400, "tus_invalid_request")
            go_on.set()
            for answer in await asyncio.gather(first, again):
                assert answer.status_code == 201, answer.text
                assert answer.headers["upload-offset"] == str(len(content))
                assert answer.headers["location"].endswith(final)
    assert [type(event) for event in await ingest.all_events()] == [UploadStarted, VideoUploaded]
    assert ingest.content(final) == content
