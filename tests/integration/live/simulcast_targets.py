"""Services that a live is sent on to, played by a test."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.live.flv.tags import Tag, content
from services.live.rtmp.server import RtmpServer
from services.live.simulcast.by_rtmp import RtmpTransport
from services.live.simulcast.connection import Transport
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.sender import Sender
from services.live.simulcast.targets import Place
from shared.public_addresses import Reach
from shared.settings import Address
from tests.support.live_publishers import KEY, Door

LOCAL = Reach.parse("127.0.0.0/8")


BIND = Address("127.0.0.1", 0)


async def at_once(_: float) -> None:
    """Instead of a pause between two tries."""


def place(port: int, *, encrypted: bool = False, host: str = "127.0.0.1") -> Place:
    return Place("rtmps" if encrypted else "rtmp", host, port, "live")


@asynccontextmanager
async def target(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Door, int]]:
    """This product's own server as another service."""
    door = Door()
    server = RtmpServer(door)
    port = await server.listen(BIND, tls)
    try:
        yield door, port
    finally:
        await server.close()


@asynccontextmanager
async def answering(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server of another kind."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def sender(
    to: Place,
    key: str = KEY,
    *,
    dialer: Dialer | None = None,
    pause: Callable[[float], Awaitable[None]] = at_once,
) -> Sender:
    return sending(RtmpTransport(dialer or Dialer(LOCAL), to, key), pause)


def sending(transport: Transport, pause: Callable[[float], Awaitable[None]] = at_once) -> Sender:
    return Sender("target", transport, {}, pause=pause)


def offer(to: Sender, tags: list[Tag], shift: int = 0) -> None:
    for tag in tags:
        inside = None if tag.kind == 18 else content(tag)
        to.offer(Tag(tag.kind, tag.milliseconds + shift, tag.body), inside)


async def stop(*senders: Sender) -> None:
    for each in senders:
        each.task.cancel()
    await asyncio.gather(*(each.task for each in senders), return_exceptions=True)
