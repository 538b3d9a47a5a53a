"""Forwarding over real sockets: what arrives, what comes back, and what happens when it breaks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest

from services.gateway.h1_pool import TICK
from tests.integration.gateway.rig import Peer, Request, Rig, Service, running_gateway
from tests.support.wait import eventually

TAGS = "/api/v1/tags"
UPLOAD = "/api/v1/streaming/upload"
EVENTS = "/api/v1/jobs/1/events"


def posting(length: int) -> bytes:
    """The head of an upload."""
    return f"POST {UPLOAD} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode()


def envelope(answer: httpx.Response, status: int, kind: str) -> None:
    """The contract's failure, and nothing more."""
    assert answer.status_code == status
    body = answer.json()
    assert body["success"] is False
    assert (body["error"]["code"], body["error"]["type"]) == (status, kind)
    assert body["error"]["trace_id"] == answer.headers["trace-id"]
    assert "data" not in body
    assert "127.0.0.1" not in answer.text


# -- what arrives at the service


async def test_the_service_learns_who_calls_from_the_gateway_alone(
    client: httpx.AsyncClient, service: Service, rig: Rig
):
    forged = {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "forwarded": "for=6.6.6.6",
        "x-real-ip": "6.6.6.6",
        "x-request-id": "forged-request-id",
        "x-cinelog-client": "6.6.6.6",
        "x-cinelog-origin": "https://evil.example",
        "connection": "x-named",
        "x-named": "1",
        "te": "trailers",
        "authorization": "Bearer whatever",
        "accept-language": "de",
    }
    await client.get(TAGS + "?q=%2Fa%20b", headers=forged)
    seen = service.requests[-1]
    assert seen.target == TAGS + "?q=%2Fa%20b"
    assert seen.headers["x-cinelog-client"] == "127.0.0.1"
    assert seen.headers["x-cinelog-origin"] == rig.url
    assert len(seen.headers["x-request-id"]) == 16
    assert seen.headers["authorization"] == "Bearer whatever"
    assert seen.headers["accept-language"] == "de"
    dropped = {"forwarded", "x-real-ip", "x-named", "te", "connection", "x-forwarded-host"}
    assert not dropped & seen.headers.keys()


async def test_a_trace_goes_through_and_comes_back(client: httpx.AsyncClient, service: Service):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await client.get(TAGS, headers={"traceparent": parent})
    assert answer.headers["trace-id"] == "0af7651916cd43dd8448eb211c80319c"
    passed = service.requests[-1].headers["traceparent"]
    assert passed.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert passed != parent
    assert passed in answer.headers["server-timing"]


async def test_the_answer_is_passed_on_with_our_headers(
    client: httpx.AsyncClient, service: Service
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.answer(
            201, {}, location="/x", etag='"1"', connection="keep-alive, x-hop", x_hop="1",
            server="secret/1.0", x_frame_options="ALLOWALL", ratelimit="forged",
        )  # fmt: skip

    service.handler = handler
    answer = await client.post("/api/v1/uploads", json={})
    assert (answer.status_code, answer.headers["location"], answer.headers["etag"]) == (
        201, "/x", '"1"',
    )  # fmt: skip
    assert answer.headers["server"] == "cinelog"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["ratelimit"].startswith('"general"')
    assert "x-hop" not in answer.headers
    assert "strict-transport-security" not in answer.headers


async def test_a_head_is_answered_like_the_get_without_its_body(
    client: httpx.AsyncClient, service: Service
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")

    service.handler = handler
    for _ in range(2):
        answer = await client.head("/api/v1/uploads/1")
        assert (answer.status_code, answer.headers["content-length"]) == (200, "1234")
    assert service.connections <= 3


@pytest.mark.parametrize("path", ["/internal/media/1", "/metrics", "/api/v1/internal/x", "/api/x"])
async def test_internal_routes_cannot_be_reached(
    client: httpx.AsyncClient, service: Service, path: str
):
    envelope(await client.get(path), 404, "not_found")
    assert not service.requests


async def test_a_wrong_method_is_refused_here(client: httpx.AsyncClient, service: Service):
    answer = await client.put(TAGS)
    envelope(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"
    assert not service.requests


# -- bodies


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_arrives_whole(
    client: httpx.AsyncClient, service: Service, size: int, chunked: bool
):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    answer = await client.post(UPLOAD, content=parts() if chunked else data)
    assert answer.json()["data"]["size"] == size
    assert service.requests[-1].body == data


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(
    client: httpx.AsyncClient, service: Service
):
    envelope(await client.patch("/api/v1/users/email", content=b"x" * 65_537), 413, "too_large")
    assert not service.requests


async def test_a_body_over_the_limit_is_noticed_while_it_is_pumped(
    client: httpx.AsyncClient, service: Service
):
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    envelope(await client.patch("/api/v1/users/email", content=parts()), 413, "too_large")


async def test_the_services_early_refusal_reaches_a_client_that_is_still_sending(
    rig: Rig, service: Service
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.answer(413, {"success": False, "error": {"code": 413}}, connection="close")
        await peer.gone()

    service.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(posting(1_000_000))
    writer.write(b"x" * 200_000)
    status = await asyncio.wait_for(reader.readline(), 10)
    assert status.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_gigantic_body_passes_in_constant_memory(rig: Rig, service: Service):
    """256 MiB up and down, to and from peers that are slow to take it."""
    total = 256 * 1024 * 1024
    block = b"x" * 1_048_576
    process = psutil.Process()
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.01)

    async def handler(request: Request, peer: Peer) -> None:
        received = 0
        async for part in peer.body(request):
            received += len(part)
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % received)
        for _ in range(received // len(block)):
            await peer.say(block)

    service.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(posting(total))
    await writer.drain()
    before = process.memory_info().rss
    watcher = asyncio.create_task(watch())
    for _ in range(total // len(block)):
        writer.write(block)
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"\r\ncontent-length: %d\r\n" % total in head
    left = total
    while left:
        data = await reader.read(1_048_576)
        assert data, f"cut off {left} bytes before the end"
        left -= len(data)
    watcher.cancel()
    writer.close()
    # The test's own peers live in this process too.
    assert peak - before < 48 * 1024 * 1024


# -- streams


async def test_events_pass_as_they_happen(client: httpx.AsyncClient, service: Service):
    go = asyncio.Event()

    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number in range(3):
            event = b"data: %d\n\n" % number
            await peer.say(b"%x\r\n%b\r\n" % (len(event), event))
            await go.wait()
            go.clear()
        await peer.say(b"0\r\n\r\n")

    service.handler = handler
    async with client.stream("GET", EVENTS) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        number = 0
        async for part in answer.aiter_raw():
            # The service says the next one only after this one has come through.
            assert part == b"data: %d\n\n" % number
            number += 1
            go.set()
        assert number == 3


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_hangs_up_ends_the_request_at_the_service(
    rig: Rig, service: Service, begun: bool
):
    ended = asyncio.Event()

    async def handler(_: Request, peer: Peer) -> None:
        if begun:
            await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await peer.gone()
        ended.set()

    service.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % EVENTS.encode())
    if begun:
        await reader.readuntil(b"\r\n\r\n")
    else:
        await eventually(lambda: service.requests)
    writer.close()
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_client_that_hangs_up_while_sending_ends_the_request_at_the_service(
    rig: Rig, service: Service
):
    ended = asyncio.Event()

    async def handler(_: Request, peer: Peer) -> None:
        await peer.gone()
        ended.set()

    service.handler = handler
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(posting(1_000_000))
    writer.write(b"x" * 100_000)
    await eventually(lambda: service.requests)
    writer.close()
    await asyncio.wait_for(ended.wait(), 10)


# -- services that fail


async def test_a_service_that_is_not_there_is_a_bad_gateway_and_then_given_a_rest(redis_url: str):
    async with Service().running() as service:
        pass
    async with (
        running_gateway(service, redis_url) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        answers = [await client.get(TAGS) for _ in range(7)]
        envelope(answers[0], 502, "bad_gateway")
        envelope(answers[-1], 503, "unavailable")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert [answer.status_code for answer in answers] == [502] * 5 + [503] * 2
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 503


@pytest.mark.parametrize(
    "garbage",
    [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"],
)
async def test_a_service_that_speaks_no_http_is_a_bad_gateway(
    client: httpx.AsyncClient, service: Service, garbage: bytes
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(garbage)
        raise ConnectionError

    service.handler = handler
    envelope(await client.get(TAGS), 502, "bad_gateway")


async def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(
    client: httpx.AsyncClient, service: Service
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        raise ConnectionError

    service.handler = handler
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(EVENTS)


async def test_a_service_that_comes_back_is_used_once_it_says_that_it_is_ready(
    client: httpx.AsyncClient, service: Service
):
    async def broken(_: Request, peer: Peer) -> None:
        raise ConnectionError

    service.handler = broken
    for _ in range(6):
        answer = await client.post("/api/v1/tags/1", json={})
    envelope(answer, 503, "unavailable")
    service.handler = service.echo
    assert (await client.get("/ready")).status_code == 200
    assert (await client.post("/api/v1/tags/1", json={})).status_code == 200


async def test_a_service_that_does_not_answer_is_a_timeout(
    client: httpx.AsyncClient, service: Service, rig: Rig
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.gone()

    service.handler = handler
    pool = rig.app._upstreams["catalog"]._pool
    asking = asyncio.create_task(client.get(TAGS))
    await eventually(lambda: pool.busy)
    for _ in range(int(31 / TICK)):  # half a minute passes
        pool.tick()
    answer = await asking
    envelope(answer, 504, "gateway_timeout")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_lost_keepalive_connection_is_not_an_error_for_a_get(
    client: httpx.AsyncClient, service: Service
):
    async def once(request: Request, peer: Peer) -> None:
        await service.echo(request, peer)
        await peer.reader.readuntil(b"\r\n\r\n")
        raise ConnectionError

    service.handler = once
    assert (await client.get(TAGS)).status_code == 200
    assert (await client.get(TAGS)).status_code == 200
    envelope(await client.post("/api/v1/tags/1", json={}), 502, "bad_gateway")


# -- clients that attack


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/v1/../internal/media/1 HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags/%2e%2e/x/videos HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags/a%2Fb/videos HTTP/1.1\r\nhost: x\r\n",
        b"GET //internal/media/1 HTTP/1.1\r\nhost: x\r\n",
        b"GET /api//v1/tags HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags\\x HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags%00 HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags\x00 HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\nhost: a/b?c\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n folded: 2\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nx-a : 1\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nx-a: \x00\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 3, 3\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ncontent-length: +3\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 0x3\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n",
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n",
        b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 40_000 + b"\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nhost: x\r\n",
    ],
)
async def test_what_can_be_read_in_two_ways_is_refused(
    rig: Rig, service: Service, request_bytes: bytes
):
    answer = await rig.raw(request_bytes + b"connection: close\r\n\r\nabc", half_close=True)
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 414", b"HTTP/1.1 431"), answer[:200]
    assert not service.requests


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"PRI", b"get"])
async def test_other_methods_are_refused(rig: Rig, service: Service, method: bytes):
    target = b"evil.example:443" if method == b"CONNECT" else b"/api/v1/tags"
    answer = await rig.raw(
        b"%b %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % (method, target)
    )
    assert answer[9:12] in (b"400", b"501"), answer[:100]
    assert not service.requests


LENGTH, CHUNKED = b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n"


@pytest.mark.parametrize("lengths", [LENGTH + CHUNKED, CHUNKED + LENGTH])
async def test_two_lengths_cannot_smuggle_a_request(rig: Rig, service: Service, lengths: bytes):
    """Granian reads the chunks, drops the length and hangs up afterwards (RFC 9112 §6.1)."""
    smuggled = b"DELETE /api/v1/users/victim HTTP/1.1\r\nhost: x\r\n\r\n"
    body = b"0\r\n\r\n" + smuggled
    await rig.raw(b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\n" + lengths + b"\r\n" + body)
    assert [request.method for request in service.requests] == ["POST"]
    assert "content-length" not in service.requests[0].headers
    assert service.requests[0].body == b""


async def test_an_absolute_target_reaches_only_its_path(rig: Rig, service: Service):
    """RFC 9112 §3.2.2 obliges a server to take one; what it names decides nothing here."""
    await rig.raw(
        b"GET http://169.254.169.254/api/v1/tags HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    assert service.requests[0].target == TAGS
    assert service.requests[0].headers["x-cinelog-origin"] == "http://x"
    answer = await rig.raw(
        b"GET http://x/internal/media/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 404")


async def test_a_pipelined_request_is_a_request_of_its_own(rig: Rig, service: Service):
    one = b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\n\r\n"
    two = b"GET /internal/media/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await rig.raw(one + two)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.count(b"HTTP/1.1 404") == 1
    assert len(service.requests) == 1


async def test_slow_clients_do_not_keep_the_others_waiting(
    rig: Rig, client: httpx.AsyncClient, service: Service
):
    slow = []
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nx")
        slow.append(writer)
    began = time.monotonic()
    for _ in range(20):
        assert (await client.get(TAGS)).status_code == 200
    assert time.monotonic() - began < 5
    # A body that has not come yet holds no connection to a service.
    assert len([request for request in service.requests if request.method == "POST"]) == 0
    for writer in slow:
        writer.close()


async def test_a_head_that_never_ends_is_hung_up_on(rig: Rig, service: Service):
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nx-a: ")
    await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert not service.requests


# -- pages of other origins, and TLS in front


async def test_other_origins_may_call_only_if_they_are_named(service: Service, redis_url: str):
    async with (
        running_gateway(service, redis_url, cors_origins="https://app.example") as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        asked = {"access-control-request-method": "PATCH", "access-control-request-headers": "x-y"}
        ok = await client.options(TAGS, headers={"origin": "https://app.example", **asked})
        assert ok.status_code == 204
        assert ok.headers["access-control-allow-origin"] == "https://app.example"
        assert "PATCH" in ok.headers["access-control-allow-methods"]
        assert ok.headers["access-control-allow-headers"] == "x-y"
        no = await client.options(TAGS, headers={"origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in no.headers
        assert not service.requests
        answer = await client.get(TAGS, headers={"origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        other = await client.get(TAGS, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_tus_options_reach_the_service(client: httpx.AsyncClient, service: Service):
    await client.options("/api/v1/uploads")
    assert service.requests[-1].method == "OPTIONS"


async def test_behind_tls_browsers_are_told_to_stay_there(service: Service, redis_url: str):
    async with (
        running_gateway(service, redis_url, trusted_proxies=1) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        headers = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
        answer = await client.get(TAGS, headers=headers)
        assert "max-age" in answer.headers["strict-transport-security"]
        seen = json.loads(answer.text)["data"]["headers"]
        assert seen["x-cinelog-origin"].startswith("https://")
        assert seen["x-cinelog-client"] == "203.0.113.9"
    async with (
        running_gateway(service, redis_url, public_url="https://cinelog.example/") as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        answer = await client.get(TAGS)
        assert "strict-transport-security" in answer.headers
        assert answer.json()["data"]["headers"]["x-cinelog-origin"] == "https://cinelog.example"


# -- stopping


async def test_a_request_under_way_is_finished_before_the_gateway_stops(
    service: Service, redis_url: str
):
    go = asyncio.Event()

    async def handler(request: Request, peer: Peer) -> None:
        await go.wait()
        await service.echo(request, peer)

    service.handler = handler
    async with httpx.AsyncClient(trust_env=False) as client:
        async with running_gateway(service, redis_url) as rig:
            asking = asyncio.create_task(client.get(rig.url + TAGS))
            await eventually(lambda: service.requests)
            asyncio.get_running_loop().call_later(0.2, go.set)
        assert (await asking).status_code == 200
