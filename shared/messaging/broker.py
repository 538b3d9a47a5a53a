"""Connections to RabbitMQ, which are retried until they succeed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from faststream import BaseMiddleware, StreamMessage
from faststream.middlewares import AckPolicy
from faststream.rabbit import Channel, RabbitBroker

from shared.loops.cancellation import end
from shared.telemetry import get_logger

_log = get_logger(__name__)

_FIRST_RETRY_SECONDS = 0.25
_LAST_RETRY_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
_HEARTBEAT_SECONDS = 5
_GRACE_SECONDS = 20.0
# Seconds to stop in: a connection that is silent answers no request to close it.
_STOP_SECONDS = _GRACE_SECONDS + 5.0


class _LogFailures(BaseMiddleware):
    """Logs why a message is returned to its queue. FastStream itself logs nothing here."""

    async def consume_scope(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        msg: StreamMessage[Any],
    ) -> Any:
        try:
            return await call_next(msg)
        except Exception as error:
            _log.warning(
                "message returned to its queue", error=repr(error), message_id=msg.message_id
            )
            raise


def create_broker(url: str, *, prefetch: int = 64) -> RabbitBroker:
    """A FastStream broker with the project's defaults.

    Publisher confirms are on, an unroutable mandatory message raises, and the message of a handler
    that fails is returned to its queue (FastStream's own default rejects it).
    """
    return RabbitBroker(
        _with_heartbeat(url),
        default_channel=Channel(prefetch_count=prefetch, on_return_raises=True),
        ack_policy=AckPolicy.NACK_ON_ERROR,
        reconnect_interval=1.0,
        graceful_timeout=_GRACE_SECONDS,
        middlewares=[_LogFailures],
        logger=None,
        apply_types=False,
    )


def _with_heartbeat(url: str) -> str:
    """The address with a short heartbeat, unless it names one.

    aiormq closes a silent connection after three heartbeats, 18 s (its default takes 3 min).
    """
    parts = urlsplit(url)
    if "heartbeat" in parse_qs(parts.query):
        return url
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}heartbeat={_HEARTBEAT_SECONDS}"))


@asynccontextmanager
async def connected(
    broker: RabbitBroker, *, alive: Callable[[], None] = lambda: None
) -> AsyncGenerator[RabbitBroker]:
    """Connect, retry until RabbitMQ answers, and close at the end. Subscribers are not started.

    ``alive`` is called at each attempt. Closing waits for messages that are being handled, for 20 s
    at most. Raises TaskDidNotEnd if the connection cannot be closed.
    """
    delay = _FIRST_RETRY_SECONDS
    while True:
        alive()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await broker.connect()
            break
        except (OSError, ConnectionError) as error:
            _log.warning("waiting for RabbitMQ", error=str(error) or type(error).__name__)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY_SECONDS)
    try:
        yield broker
    finally:
        stopping = asyncio.create_task(broker.stop(), name="stop the broker")
        try:
            await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
        finally:
            await end((stopping,))
