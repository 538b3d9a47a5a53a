"""How many requests a caller may have open at once, by kind.

A rate says nothing of a request that stays: an event stream, a download, an upload. Each open
request has a place among those of its user and of its address. Where all places of an address are
taken, the reader of its own that has stalled the longest gives way first: people who share an
address with somebody whose connection hangs are still served.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.gateway.request.error_bodies import Failure
from services.gateway.request.exchange import Exchange
from services.gateway.request.routes import Open

RETRY_SECONDS: Final = 5

STREAMS: Final = Failure(
    429, "too_many_streams", "You follow too many videos at once. Close some of them."
)
MEDIA: Final = Failure(
    429, "too_many_downloads", "Too many downloads at once. Try again in a moment."
)
REQUESTS: Final = Failure(
    429, "too_many_open_requests", "Too many requests at once. Try again in a moment."
)
_FAILURES: Final = {
    Open.STREAM: STREAMS,
    Open.MEDIA: MEDIA,
    Open.DOWNLOAD: MEDIA,
    Open.REQUEST: REQUESTS,
    Open.REFUSED: REQUESTS,
}
REFUSED_PER_ADDRESS: Final = 64


class OpenLimits(msgspec.Struct, frozen=True):
    """The places of one address and of one user; None: as many as they like."""

    per_address: int
    per_user: int | None = None


class OpenRequests(Collector):
    """The open requests of each kind."""

    def __init__(self, limits: Mapping[Open, OpenLimits], registry: CollectorRegistry) -> None:
        self._limits = limits
        self._by_address: dict[tuple[Open, str], dict[Exchange, None]] = {}
        self._by_user: dict[tuple[Open, str], int] = {}
        self._open = dict.fromkeys(Open, 0)
        self._refused = {(kind, per): 0 for kind in Open for per in ("user", "address")}
        self._gave_way = dict.fromkeys(Open, 0)
        registry.register(self)

    def enter(self, kind: Open, exchange: Exchange) -> Failure | None:
        """Give a request a place, or say why it gets none. A request with a place must leave."""
        limits = self._limits[kind]
        user = (kind, exchange.user)
        if exchange.user and limits.per_user is not None:
            if self._by_user.get(user, 0) >= limits.per_user:
                self._refused[kind, "user"] += 1
                return _FAILURES[kind]
            self._by_user[user] = self._by_user.get(user, 0) + 1
        neighbours = self._by_address.setdefault((kind, exchange.client), {})
        if len(neighbours) >= limits.per_address and not self._give_way(kind, neighbours):
            self._leave_user(kind, exchange)
            self._refused[kind, "address"] += 1
            return _FAILURES[kind]
        neighbours[exchange] = None
        self._open[kind] += 1
        return None

    def leave(self, kind: Open, exchange: Exchange) -> None:
        """Give the place back."""
        self._open[kind] -= 1
        self._leave_user(kind, exchange)
        address = (kind, exchange.client)
        neighbours = self._by_address.get(address, {})
        neighbours.pop(exchange, None)  # it is not there where it has given way
        if not neighbours:
            self._by_address.pop(address, None)

    def _leave_user(self, kind: Open, exchange: Exchange) -> None:
        if not exchange.user or self._limits[kind].per_user is None:
            return
        user = (kind, exchange.user)
        self._by_user[user] -= 1
        if not self._by_user[user]:
            del self._by_user[user]

    def _give_way(self, kind: Open, neighbours: dict[Exchange, None]) -> bool:
        """Cut the oldest answer of these that its reader does not take."""
        stalled = next((exchange for exchange in neighbours if exchange.stalled), None)
        if stalled is None:
            return False
        del neighbours[stalled]
        self._gave_way[kind] += 1
        stalled.cut()
        return True

    def describe(self) -> Iterator[Metric]:
        """The metrics without values: the registry checks that their names are unique."""
        return iter(self._families())

    def collect(self) -> Iterator[Metric]:
        """The metrics, for a scrape."""
        opened, refused, gave_way = self._families()
        for kind in Open:
            opened.add_metric((kind.value,), self._open[kind])
            gave_way.add_metric((kind.value,), self._gave_way[kind])
        for (kind, per), count in self._refused.items():
            refused.add_metric((kind.value, per), count)
        return iter((opened, refused, gave_way))

    def _families(self) -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
        return (
            GaugeMetricFamily(
                "gateway_open_requests", "Requests that are open now, by kind.", labels=("kind",)
            ),
            CounterMetricFamily(
                "gateway_open_requests_refused",
                "Requests refused because their user or address has too many open.",
                labels=("kind", "per"),
            ),
            CounterMetricFamily(
                "gateway_readers_cut",
                "Answers cut because their reader stalled and its address needed the place.",
                labels=("kind",),
            ),
        )
