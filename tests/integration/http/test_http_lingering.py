"""Answers that are sent before a long body has ended."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.gateway.http1.h1_pool import Pool
from shared.http import lingering, server
from shared.http.lingering import LingeringMiddleware
from shared.settings import Address


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Answers once a body has begun."""
    await receive()
    await send({"type": "http.response.start", "status": 400, "headers": []})
    await send({"type": "http.response.body", "body": b"no video"})


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    await LingeringMiddleware(refusing)(scope, receive, send)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65536)
        await asyncio.sleep(0)


async def test_the_gateway_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops sending at an early answer, so nothing more of the body ever comes."""
    monkeypatch.setattr(lingering, "TOTAL_SECONDS", 3600.0)
    monkeypatch.setattr(lingering, "IDLE_SECONDS", 3600.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", probe.getsockname()[1])
    head = (
        b"POST / HTTP/1.1\r\nhost: x\r\nx-cinelog-client: c\r\ncontent-length: 9999999999\r\n\r\n"
    )
    async with server.serving(application, address, drain_seconds=1):
        pool = Pool(address.host, address.port)
        try:
            async with asyncio.timeout(60):
                answer = await pool.request(head, body=endless())
                assert answer.status == 400
                assert await answer.read() == b"no video"
                assert await answer.read() == b""
        finally:
            pool.close()
