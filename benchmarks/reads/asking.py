"""A client of several servers that costs little, over connections that are kept."""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

Headers = Mapping[str, str]


class Request(msgspec.Struct, frozen=True):
    """A request, and the status that its answer must have."""

    method: str
    path: str
    headers: Headers = {}
    body: bytes = b""
    status: int = 200


class Answer(msgspec.Struct, frozen=True):
    """Headers in lower case, and the body."""

    headers: Headers
    body: bytes


Requests = Callable[[Answer | None], Request]
"""The next request of a connection, after its answer to the one before."""

_HOST: Final = "127.0.0.1"


async def ask(port: int, requests: Requests, *, times: int, at_once: int) -> float:
    """Ask ``times`` times over ``at_once`` connections; the median seconds until an answer.

    Raises RuntimeError where an answer has another status.
    """
    waits: list[float] = []

    async def some() -> None:
        reader, writer = await asyncio.open_connection(_HOST, port)
        answer = None
        try:
            for _ in range(times // at_once):
                request = requests(answer)
                began = time.perf_counter()
                answer = await _send(reader, writer, request, port)
                waits.append(time.perf_counter() - began)
        finally:
            writer.close()

    await asyncio.gather(*(some() for _ in range(at_once)))
    return statistics.median(waits)


async def ask_once(port: int, request: Request) -> Answer:
    """One answer. Raises RuntimeError where it has another status."""
    reader, writer = await asyncio.open_connection(_HOST, port)
    try:
        return await _send(reader, writer, request, port)
    finally:
        writer.close()


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, port: int
) -> Answer:
    length = {"content-length": str(len(request.body))} if request.body else {}
    given = {"host": f"{_HOST}:{port}", **request.headers, **length}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    head = f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode()
    writer.write(head + request.body)
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in rest if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    status = int(first.split()[1])
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif status != 304:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    if status != request.status:
        raise RuntimeError(f"{request.method} {request.path}: {status} {body[:300]!r}")
    return Answer(headers, body)
