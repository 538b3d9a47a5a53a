"""Forms as bytes, with their parts in the order given."""

import asyncio
from collections.abc import AsyncIterator

import httpx

UPLOAD = "/api/v1/streaming/upload"
BOUNDARY = "cinelog-test-boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
TITLE = ("title", None, b"A title")


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """Each part: (name, file name or None, content)."""
    body = b""
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"'
        if filename is not None:
            disposition += f'; filename="{filename}"'
        body += f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


async def send(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    """Post a form; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(UPLOAD, content=body, headers={"content-type": CONTENT_TYPE} | named)


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and machine code of a failure."""
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["code"] == answer.status_code
    return answer.status_code, body["error"]["type"]


async def slowly(body: bytes, cut: int, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    """The body up to ``cut``; the rest when told to."""
    yield body[:cut]
    await go_on.wait()
    yield body[cut:]
