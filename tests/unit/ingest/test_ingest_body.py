"""Reading a request's body: its end, its client, its silence, and who else wants the upload."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from services.ingest.http.body import IncomingBody
from services.ingest.ports import ClientGone, Stalled, UploadLost
from shared.pace import Pace


def incoming(*events: dict[str, Any], seconds: float = 30) -> IncomingBody:
    """A body of these events, and then silence."""
    waiting = list(events)

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    request: Any = SimpleNamespace(receive=receive, headers={}, client=None)
    return IncomingBody(request, Pace(1024, seconds))


def piece(data: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


async def test_a_whole_body() -> None:
    body = incoming(piece(b"a"), piece(b""), piece(b"b"), piece(b"", more=False))
    assert [chunk async for chunk in body] == [b"a", b"b"]
    assert body.ended


async def test_a_client_that_goes_away() -> None:
    body = incoming(piece(b"a"), {"type": "http.disconnect"})
    with pytest.raises(ClientGone):
        _ = [chunk async for chunk in body]


async def test_silence() -> None:
    with pytest.raises(Stalled):
        _ = [chunk async for chunk in incoming(piece(b"a"), seconds=0.01)]


async def test_an_interruption_while_waiting_and_before() -> None:
    body = incoming(piece(b"a"))
    chunks = aiter(body)
    assert await anext(chunks) == b"a"
    asyncio.get_running_loop().call_soon(body.interrupt)
    with pytest.raises(UploadLost):
        await anext(chunks)
    early = incoming(piece(b"a"))
    early.interrupt()
    with pytest.raises(UploadLost):
        _ = [chunk async for chunk in early]
