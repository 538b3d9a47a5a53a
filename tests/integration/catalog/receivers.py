"""Receivers of webhooks, and rounds of delivery on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
from prometheus_client import CollectorRegistry

from services.catalog.queries.feeds import Feeds
from services.catalog.webhooks.webhook_delivery import WebhookDelivery
from services.catalog.webhooks.webhook_sender import WebhookSender
from services.catalog.webhooks.webhook_store import Webhooks
from services.catalog.webhooks.webhooks import Webhook
from shared.loops.items import ItemMetrics
from shared.public_addresses import Reach
from tests.integration.catalog.stage import GRANT_SECRET, Stage


class Receiver:
    """A webhook's server: answers with ``status`` and stores the received messages."""

    def __init__(self) -> None:
        self.status = 204
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")[1:]
            headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines) if n}
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append((headers, body))
            location = "location: http://127.0.0.1:1/\r\n" if self.status == 302 else ""
            answer = f"HTTP/1.1 {self.status} X\r\n{location}content-length: 0\r\n\r\n"
            writer.write(answer.encode())
            await writer.drain()

    def types(self) -> list[str]:
        return [msgspec.json.decode(body)["type"] for _, body in self.received]


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class CountedWebhooks(Webhooks):
    """Counts the events that receivers took."""

    taken = 0

    async def save_result(self, before: Webhook, after: Webhook) -> bool:
        self.taken += after.delivered_at != before.delivered_at
        return await super().save_result(before, after)


class Post:
    """Runs rounds of delivery on demand."""

    def __init__(self, stage: Stage, client: httpx.AsyncClient) -> None:
        self.clock = Clock()
        self.webhooks = CountedWebhooks(stage.engine)
        self.delivery = WebhookDelivery(
            self.webhooks,
            Feeds(stage.engine),
            WebhookSender(client, Reach.parse("127.0.0.0/8")),
            GRANT_SECRET,
            metrics=ItemMetrics(CollectorRegistry()),
            clock=self.clock,
        )

    async def round(self) -> int:
        """Deliver what is due; returns how many events were taken."""
        before = self.webhooks.taken
        await self.delivery.round()
        await self.delivery.finish()
        return self.webhooks.taken - before


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[str]:
    """The URL of a receiver that answers with these bytes, or never."""
    over = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection may be handed over after the server was closed: it is closed here too.
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await over.wait()
            else:
                writer.write(answer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        over.set()
