"""A request or process ends at an awkward moment: what counts is what was sent, and not lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.ingest.handlers.concatenation import Concatenation
from services.ingest.handlers.limits import Limits
from services.ingest.handlers.resumable import Resumable
from tests.integration.ingest.harness import Ingest, clip
from tests.integration.ingest.tus_client import MIB, create, offset_of, patch


class Arriving:
    """A request's body of these pieces."""

    address = None
    slow = False

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.length = sum(map(len, pieces))

    def interrupt(self) -> None: ...

    def displace(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def resumable(ingest: Ingest) -> Resumable:
    """The operations of tus, without a server that would hold a request's end back."""
    parts = ingest.parts
    return Resumable(
        parts.steps,
        Concatenation(parts.steps, parts.sources),
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
