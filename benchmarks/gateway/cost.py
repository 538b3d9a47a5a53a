"""What one request costs, and where: each step of the hot path on its own, in this process."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.gateway import load, peers
from services.gateway import security_headers
from services.gateway.http1.h1_pool import Pool
from services.gateway.limits.rate_limit import rate_limit_headers, rule
from services.gateway.limits.redis_buckets import RedisBuckets, packed_arguments
from services.gateway.limits.redis_pipe import RedisPipe
from services.gateway.observability.access_log import AccessLog, Entry
from services.gateway.observability.request_metrics import RequestMetrics
from services.gateway.observability.tracing import Tracing
from services.gateway.request import paths
from services.gateway.request.client_address import ClientAddress
from services.gateway.request.error_bodies import ErrorBodies
from services.gateway.request.exchange import Exchange
from services.gateway.request.request_headers import RequestHeaders
from services.gateway.request.routes import Router, table
from shared.http.identity import Verifier
from shared.http.jwks_client import JwksClient
from shared.loops.cancellation import end
from shared.loops.loops import Loops
from shared.token_bucket import MICROS, Bucket, Decision

ROUNDS = 20_000
AT_ONCE = 64

Say = Callable[..., None]


def _micros(step: Callable[[], object]) -> float:
    """CPU µs of a step."""
    for _ in range(ROUNDS // 10):
        step()
    began = time.process_time()
    for _ in range(ROUNDS):
        step()
    return (time.process_time() - began) / ROUNDS * MICROS


async def _micros_async(step: Callable[[], Any]) -> float:
    """CPU µs of a step that waits, with many under way."""

    async def worker() -> None:
        for _ in range(ROUNDS // AT_ONCE):
            await step()

    await worker()
    began = time.process_time()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return (time.process_time() - began) / (ROUNDS // AT_ONCE * AT_ONCE) * MICROS


async def _steps(stage: peers.Stage) -> dict[str, float]:
    token = stage.token()
    raw_headers = [(b"host", b"127.0.0.1:8080"), (b"authorization", f"Bearer {token}".encode())]
    path = peers.PATH.encode()
    router = Router(table(1 << 30))
    addresses = ClientAddress(0)
    keys = JwksClient(
        f"http://127.0.0.1:{stage.backend.port}/.well-known/jwks.json", Loops(CollectorRegistry())
    )
    verifier = Verifier(keys, issuer="bench", audience="bench")
    await verifier.verify(token)
    tracing = Tracing(exporting=False)
    metrics = RequestMetrics(CollectorRegistry())
    log = AccessLog(local=False, write=lambda _: None)
    general = rule("general", Bucket(100_000, 20))
    decision = Decision(True, 19, 0, 100_000)
    trace = tracing.begin("GET", b"")
    scope: Any = {"method": "GET", "raw_path": path, "query_string": b"", "headers": raw_headers}
    request_headers = RequestHeaders(raw_headers)
    error_bodies = ErrorBodies()

    async def nothing(*_: object) -> Any:
        return None

    def finish() -> None:
        metrics.started()
        metrics.finished("GET", peers.PATH, 200, 0.002)

    def write() -> None:
        log.add(
            Entry(
                time.time(), "GET", peers.PATH, path, 200, 0.002, 1024, "127.0.0.1", "user",
                "catalog", b"t", b"r",
            )
        )  # fmt: skip

    found = {
        "read and check the head": _micros(
            lambda: (RequestHeaders(raw_headers), paths.refusal(path, b""))
        ),
        "find the route": _micros(lambda: router.match("GET", path)),
        "tell the client": _micros(lambda: addresses.of("127.0.0.1", [])),
        "verify the token (cached)": _micros(lambda: verifier.cached(token)),
        "trace and request ids": _micros(lambda: tracing.begin("GET", b"")),
        "the exchange object": _micros(
            lambda: Exchange(scope, nothing, nothing, request_headers, trace, error_bodies)
        ),
        "rate limit headers": _micros(lambda: rate_limit_headers(general, decision)),
        "security headers": _micros(lambda: [*security_headers.API, *security_headers.API]),
        "metrics": _micros(finish),
        "access log": _micros(write),
    }
    pipe = RedisPipe(f"redis://127.0.0.1:{stage.redis.port}/3")
    connected = asyncio.Event()
    pipe.changed = lambda up, _reason: connected.set() if up else None
    loops = Loops(CollectorRegistry())
    holding = asyncio.create_task(loops.persist("hold redis", pipe.session))
    await connected.wait()
    buckets, arguments = RedisBuckets(pipe), packed_arguments(Bucket(1, 1_000_000))
    found["a token from Redis"] = await _micros_async(lambda: buckets.take(b"cost", arguments))
    await end([holding])
    pool = Pool("127.0.0.1", stage.backend.port)
    head = b"GET %b HTTP/1.1\r\nhost: b\r\nauthorization: Bearer %b\r\n\r\n" % (
        path,
        token.encode(),
    )

    async def forward() -> None:
        (await pool.request(head, idempotent=True)).body()

    found["forward (HTTP/1.1 client)"] = await _micros_async(forward)
    pool.close()
    return found


def section(stage: peers.Stage, say: Say) -> None:
    """Print the bill."""
    gateway = peers.gateway(stage)
    try:
        load.requests(gateway, stage.token(), 2)
        rates = sorted(load.requests(gateway, stage.token()).rate for _ in range(3))
    finally:
        gateway.stop()
    whole = MICROS / rates[1]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        steps = runner.run(_steps(stage))
    for name, micros in steps.items():
        say(f"  {name:32s} {micros:6.1f} µs")
    say(f"  {'the server and the glue':32s} {whole - sum(steps.values()):6.1f} µs")
    say(f"  {'one request, all in all':32s} {whole:6.1f} µs")
