"""The services behind the gateway: connections, a circuit breaker and metrics of each."""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import Overloaded, UpstreamError
from services.gateway.http1.h1_pool import Pool, PoolLimits
from services.gateway.upstream.breaker import Breaker
from shared.telemetry import get_logger

_MAX_ANSWER: Final = 4 * 1024 * 1024  # bytes of an internal resource
# Replicas whose connections are kept; the one that was asked longest ago is forgotten.
_MAX_REPLICAS: Final = 32


class CircuitOpen(UpstreamError):
    """The breaker is open. ``retry_after`` is in seconds."""

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(f"the circuit of {name} is open")
        self.retry_after = retry_after


class UpstreamMetrics:
    """The metrics of all upstreams."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.errors = Counter(
            "gateway_upstream_errors_total",
            "Requests that a service failed to answer, by service and kind.",
            ["upstream", "kind"],
            registry=registry,
        )
        self.connections = Gauge(
            "gateway_upstream_connections",
            "Connections to a service, by state.",
            ["upstream", "state"],
            registry=registry,
        )
        self.breaker = Gauge(
            "gateway_breaker_state",
            "0 closed, 1 half open, 2 open.",
            ["upstream"],
            registry=registry,
        )


class Upstream:
    """One service, at its base address ``http(s)://host[:port]``. ValueError for another one.

    Event streams, at most ``streams``, have connections of their own: no other request waits for
    one of theirs.
    """

    def __init__(
        self,
        name: str,
        base: str,
        breaker: Breaker,
        metrics: UpstreamMetrics,
        *,
        streams: int = 0,
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://host:port")
        secure = parts.scheme == "https"
        self.name = name
        self.authority = parts.netloc.encode()
        port = parts.port or (443 if secure else 80)
        tls = ssl.create_default_context() if secure else None
        self._pool = Pool(parts.hostname, port, tls=tls)
        self._streams = Pool(
            parts.hostname, port, tls=tls, limits=PoolLimits(connections=streams, waiting=0)
        )
        self._breaker = breaker
        self._metrics = metrics
        metrics.breaker.labels(name).set(0)
        self._log = get_logger("gateway.upstream")
        self._open = False
        self._clock = asyncio.get_running_loop().time

    async def request(
        self,
        head: bytes,
        *,
        body: AsyncIterator[bytes] | None = None,
        idempotent: bool = False,
        without_body: bool = False,
        timeout: float = 30.0,
        on_slow: Callable[[Response], None] | None = None,
        event_stream: bool = False,
    ) -> Response:
        """``Pool.request``, unless the breaker is open. Raises UpstreamError."""
        pool = self._streams if event_stream else self._pool
        breaker = self._breaker
        wait = breaker.admit(self._clock())
        if wait:
            self._metrics.errors.labels(self.name, "circuit_open").inc()
            raise CircuitOpen(self.name, wait)
        try:
            response = await pool.request(
                head,
                body=body,
                idempotent=idempotent,
                without_body=without_body,
                timeout=timeout,
                on_slow=on_slow,
            )
        except UpstreamError as error:
            if isinstance(error, Overloaded):
                breaker.abandoned()
            else:
                breaker.failed(self._clock())
            self._metrics.errors.labels(self.name, type(error).__name__.lower()).inc()
            self._log.warning(
                "no answer", upstream=self.name, kind=type(error).__name__, reason=str(error)
            )
            raise
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        return response

    async def get(
        self, target: str, timeout: float = 3.0, *, max_bytes: int = _MAX_ANSWER
    ) -> tuple[int, bytes]:
        """Status and body of an internal resource.

        Raises UpstreamError, or TimeoutError after ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            response = await self.request(self._get(target), idempotent=True, timeout=timeout)
            return await _whole(response, max_bytes)

    async def listen(self, target: str, timeout: float) -> tuple[int, bytes]:
        """``get`` past the breaker: of an answer that may take its time, without being a failure,
        and that others must not wait for until the breaker closes.

        Raises UpstreamError, or TimeoutError after ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            response = await self._pool.request(self._get(target), idempotent=True)
            return await _whole(response, _MAX_ANSWER)

    async def probe(self, timeout: float) -> bool:
        """Whether ``/ready`` answers 200, which also closes the breaker.

        Asks even while the breaker is open. Raises UpstreamError, or TimeoutError after
        ``timeout`` seconds.
        """
        status, _ = await self.listen("/ready", timeout)
        if status == 200:
            self._breaker.succeeded()
        return status == 200

    def _get(self, target: str) -> bytes:
        return b"GET %b HTTP/1.1\r\nhost: %b\r\naccept: application/json\r\n\r\n" % (
            target.encode(),
            self.authority,
        )

    def tick(self) -> None:
        """End what takes too long, and update the metrics. Call it every ``TICK_SECONDS``."""
        pool, metrics = self._pool, self._metrics
        pool.tick()
        self._streams.tick()
        state = self._breaker.state(self._clock())
        metrics.breaker.labels(self.name).set(state)
        metrics.connections.labels(self.name, "busy").set(len(pool.busy))
        metrics.connections.labels(self.name, "idle").set(len(pool.idle))
        metrics.connections.labels(self.name, "waiting").set(len(pool.waiting))
        metrics.connections.labels(self.name, "streams").set(len(self._streams.busy))
        if bool(state) != self._open:
            self._open = bool(state)
            self._log.warning("circuit", upstream=self.name, state=state.name.lower())

    def close(self) -> None:
        """End all connections."""
        self._pool.close()
        self._streams.close()


async def _whole(response: Response, max_bytes: int) -> tuple[int, bytes]:
    try:
        body = bytearray()
        while chunk := await response.read():
            body += chunk
            if len(body) > max_bytes:
                raise UpstreamError("the answer is too large")
        return response.status, bytes(body)
    finally:
        response.close()


class Upstreams:
    """All upstreams, by name; and replicas of one service, by their addresses."""

    def __init__(self, upstreams: Mapping[str, Upstream], metrics: UpstreamMetrics) -> None:
        self._all = dict(upstreams)
        self._metrics = metrics
        self._replicas: OrderedDict[str, Upstream] = OrderedDict()

    def replica(self, name: str, address: str) -> Upstream:
        """One replica of a service, as another replica has told its address.

        Raises ValueError for what is no address.
        """
        found = self._replicas.get(address)
        if found is None:
            found = Upstream(f"{name}_replica", address, Breaker(), self._metrics)
            self._replicas[address] = found
            if len(self._replicas) > _MAX_REPLICAS:
                self._replicas.popitem(last=False)[1].close()
        self._replicas.move_to_end(address)
        return found

    def __getitem__(self, name: str) -> Upstream:
        return self._all[name]

    async def tick(self) -> None:
        """``tick`` of each upstream, for the loop that calls it every ``TICK_SECONDS``."""
        for upstream in (*self._all.values(), *self._replicas.values()):
            upstream.tick()

    def close(self) -> None:
        """End all connections."""
        for upstream in (*self._all.values(), *self._replicas.values()):
            upstream.close()
