"""A tus client: the requests of the protocol, as tests send them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx

UPLOADS = "/api/v1/uploads"
MIB = 1024 * 1024
TUS = {"tus-resumable": "1.0.0"}
STREAM = {"content-type": "application/offset+octet-stream"}


def metadata(**pairs: str) -> dict[str, str]:
    encoded = [f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items()]
    return {"upload-metadata": ",".join(encoded)}


FILM = metadata(title="My film", description="Words", filename="film.mp4", tags="a,b")


async def create(client: httpx.AsyncClient, length: int | None, **headers: str) -> str:
    size = {"upload-defer-length": "1"} if length is None else {"upload-length": str(length)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.post(UPLOADS, headers=TUS | FILM | size | named)
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer.headers["location"]


async def patch(
    client: httpx.AsyncClient, url: str, offset: int, content: Any, **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.patch(
        url, content=content, headers=TUS | STREAM | {"upload-offset": str(offset)} | named
    )


async def offset_of(client: httpx.AsyncClient, url: str) -> int:
    answer = await client.head(url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


async def stalling(content: bytes, end: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """Some bytes, and then nothing, until ``end``."""
    yield content
    await (end or asyncio.Event()).wait()
