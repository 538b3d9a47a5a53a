"""Bodies that come slowly, on routes that take a few fields, and bodies that cannot be read."""

import asyncio
import json

import pytest

from services.gateway.http1 import request_body
from services.gateway.request.routes import Target
from tests.integration.gateway.rig import Rig, Service
from tests.integration.gateway.wire import UPLOAD
from tests.security.fair.attackers import Client, others

FIELDS = "/api/v1/users/email"
CHUNKED = "transfer-encoding: chunked\r\n"


async def trickle(rig: Rig, head: str, piece: bytes, pieces: int = 200) -> tuple[int, str]:
    """Status and code of the answer to a body whose pieces come one by one."""
    client = await Client.connect(rig.port)
    client.writer.write(f"{head}\r\n".encode())

    async def send() -> None:
        for _ in range(pieces):
            client.writer.write(piece)
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(30):
            head_of_answer = await client.reader.readuntil(b"\r\n\r\n")
            body = await client.reader.readuntil(b"}}")
    finally:
        sending.cancel()
        client.close()
    return int(head_of_answer[9:12]), json.loads(body[body.index(b"{") :])["error"]["type"]


@pytest.mark.parametrize(
    ("framing", "piece"),
    [("content-length: 50000\r\n", b"x"), (CHUNKED, b"1\r\nx\r\n")],
)
async def test_a_trickle_of_fields_ends_and_holds_no_connection_to_a_service(
    rig: Rig, service: Service, monkeypatch: pytest.MonkeyPatch, framing: str, piece: bytes
):
    monkeypatch.setattr(request_body, "SHORT_BODY_SECONDS", 0.5)
    slow = [
        asyncio.create_task(trickle(rig, f"PATCH {FIELDS} HTTP/1.1\r\nhost: x\r\n{framing}", piece))
        for _ in range(30)
    ]
    assert await others(rig.port) < 5
    assert set(await asyncio.gather(*slow)) == {(408, "timeout")}
    assert not [request for request in service.requests if request.method == "PATCH"]


@pytest.mark.parametrize(
    ("framing", "piece"),
    [("content-length: 5000000\r\n", b"x"), (CHUNKED, b"1\r\nx\r\n"), (CHUNKED, b"000000")],
)
async def test_a_trickle_of_a_long_body_ends_where_the_service_has_no_limit(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, framing: str, piece: bytes
):
    monkeypatch.setattr(request_body, "SLOW_SECONDS", 0.5)
    head = f"POST {UPLOAD} HTTP/1.1\r\nhost: x\r\n{framing}"
    status, code = await trickle(rig, head, piece)
    assert (status, code) in ((408, "timeout"), (400, "invalid_input"))
    pool = rig.app._handlers[Target.INGEST]._upstreams[Target.INGEST]._pool  # type: ignore[attr-defined]
    assert not pool.busy
