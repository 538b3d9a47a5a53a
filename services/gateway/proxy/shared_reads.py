"""Reads that are answered from the edge cache, and all other requests past it.

Callers with an access token get a kept answer too, where the service has said that theirs would be
the same. What the cache asks the service has none of their headers, no cookie either, so that
nothing of a caller can be in an answer for others.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from services.gateway import security_headers
from services.gateway.request import conditions
from services.gateway.request.exchange import Exchange
from services.gateway.request.routes import READ, Route
from services.gateway.upstream.edge_cache import KEPT_SECONDS, EdgeCache, Key
from services.gateway.upstream.kept_answer import Kept

_MAX_KEY: Final = 512  # bytes of path, query and address; a longer one is not kept
_MAX_WRITERS: Final = 50_000

Forward = Callable[[Exchange, Route], Awaitable[None]]


class SharedReads:
    """The handler of services' routes. ``forward`` answers what is not for everybody.

    ``clock`` is a steady clock in seconds.
    """

    def __init__(self, forward: Forward, cache: EdgeCache, clock: Callable[[], float]) -> None:
        self._forward = forward
        self._cache = cache
        self._clock = clock
        # Addresses and users with the time until which their reads pass by the cache.
        self._writers: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, exchange: Exchange, route: Route) -> None:
        if not route.shared or exchange.method != "GET":
            await self._forward(exchange, route)
            if exchange.method not in READ and exchange.status < 400:
                self._has_written(exchange.client, exchange.user)
            return
        key: Key = exchange.path, exchange.query, exchange.origin
        if self._is_personal(exchange) or sum(map(len, key)) > _MAX_KEY:
            self._cache.passed()
            await self._forward(exchange, route)
            return
        found = await self._cache.find(key, lambda: _caller(exchange), route.timeout)
        if isinstance(found, Kept) and found.is_for(exchange.user):
            await _send(exchange, found)
        elif found is None or isinstance(found, Kept):
            await self._forward(exchange, route)
        elif exchange.user:
            # What nobody else may see may be theirs.
            found.close()
            await self._forward(exchange, route)
        else:
            try:
                await exchange.relay(found)
            finally:
                found.close()

    def _is_personal(self, exchange: Exchange) -> bool:
        """Whether the answer depends on more than whose valid access token the request carries,
        or must show what they have just done."""
        headers = exchange.request_headers
        if (headers.authorization and not exchange.user) or headers.has_body:
            return True
        now = self._clock()
        return any(
            self._writers.get(who, 0.0) > now for who in (exchange.client, exchange.user) if who
        )

    def _has_written(self, *callers: str) -> None:
        now = self._clock()
        for who in filter(None, callers):
            self._writers[who] = now + KEPT_SECONDS
            self._writers.move_to_end(who)
        while len(self._writers) > _MAX_WRITERS or next(iter(self._writers.values())) <= now:
            self._writers.popitem(last=False)


def _caller(exchange: Exchange) -> bytes:
    """Header lines that name the request; the address is there for limits of the service."""
    return b"x-request-id: %b\r\ntraceparent: %b\r\nx-cinelog-client: %b\r\n" % (
        exchange.trace.span_id,
        exchange.trace.traceparent,
        exchange.client.encode(),
    )


async def _send(exchange: Exchange, kept: Kept) -> None:
    security = security_headers.API_TLS if exchange.secure else security_headers.API
    coding = conditions.coding(exchange.header(b"accept-encoding"), kept.forms)
    if conditions.matches(exchange.header(b"if-none-match"), kept.etag(coding)):
        await exchange.answer(304, [*kept.validators(coding), *security])
        return
    headers, body = kept.answer(coding)
    await exchange.answer(200, [*headers, *security], body)
