"""Clients that mean harm: requests that can be read in two ways, and ones that never end."""

import asyncio
import json

import httpx
import pytest

from tests.integration.gateway.rig import Rig, Service, running_gateway
from tests.integration.gateway.wire import TAGS

LENGTH, CHUNKED = b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n"
HIDDEN = b"DELETE /api/v1/users/victim HTTP/1.1\r\nhost: x\r\n\r\n"


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
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\n" + CHUNKED + CHUNKED,
        b"POST /api/v1/tags/1 HTTP/1.0\r\nhost: x\r\n" + CHUNKED,
        b"GET evil.example:80 HTTP/1.1\r\nhost: x\r\n",
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


@pytest.mark.parametrize("target", [b"/api/v1/tags", b"/no/route", b"/media/1/2/3", b"/"])
@pytest.mark.parametrize(
    "method", [b"CONNECT", b"TRACE", b"PRI", b"get", b"PROPFIND", b"A" * 20, b"A" * 5000]
)
async def test_other_methods_are_refused(rig: Rig, service: Service, method: bytes, target: bytes):
    answer = await rig.raw(
        b"%b %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % (method, target)
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501"), head[:200]
    error = json.loads(body)["error"]
    assert (error["code"], error["type"]) == (501, "not_implemented")
    assert not service.requests


async def test_a_target_that_is_only_an_authority_is_refused(rig: Rig, service: Service):
    answer = await rig.raw(b"CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 501"), answer[:200]
    assert not service.requests


@pytest.mark.parametrize("lengths", [LENGTH + CHUNKED, CHUNKED + LENGTH])
async def test_two_lengths_cannot_smuggle_a_request(rig: Rig, service: Service, lengths: bytes):
    """Granian reads the chunks, drops the length and hangs up afterwards (RFC 9112 §6.1)."""
    body = b"0\r\n\r\n" + HIDDEN
    await rig.raw(b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\n" + lengths + b"\r\n" + body)
    assert [request.method for request in service.requests] == ["POST"]
    assert service.requests[0].headers["content-length"] == "0"
    assert service.requests[0].body == b""


async def test_a_length_said_twice_is_one_length(rig: Rig, service: Service):
    """hyper folds equal ones, as RFC 9112 §6.3 lets it; what is passed on has one, and its body."""
    last = b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await rig.raw(
        b"POST /api/v1/tags/1 HTTP/1.1\r\nhost: x\r\n" + LENGTH + LENGTH + b"\r\nabc" + last
    )
    assert answer.count(b"HTTP/1.1 200") == 2
    first, second = service.requests
    assert (first.method, first.headers["content-length"], first.body) == ("POST", "3", b"abc")
    assert (second.method, second.target) == ("GET", TAGS)


async def test_lines_that_end_in_lf_alone_stay_one_request(rig: Rig, service: Service):
    """RFC 9112 §2.2 lets a server read them so; the service gets one head, written anew."""
    head = b"POST /api/v1/tags/1 HTTP/1.1\nhost: x\nconnection: close\n"
    await rig.raw(head + b"content-length: %d\n\n" % len(HIDDEN) + HIDDEN)
    assert [(request.method, request.body) for request in service.requests] == [("POST", HIDDEN)]


async def test_an_absolute_target_reaches_only_its_path(rig: Rig, service: Service):
    """RFC 9112 §3.2.2 obliges a server to take one; what it names decides nothing here."""
    await rig.raw(
        b"GET http://169.254.169.254/api/v1/tags HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    assert service.requests[0].target == TAGS
    assert service.requests[0].headers["x-cinelog-origin"] == "http://x"


@pytest.mark.parametrize(
    "target",
    [
        b"http://x/internal/media/1",
        b"http://catalog:8080/internal/openapi.json",
        b"http://x@catalog:8080/metrics",
        b"https://[::1]/internal/media/1",
        b"http://x/api/v1/../../internal/media/1",
        b"http://x//internal/media/1",
        b"http://x/%2e%2e/internal/media/1",
    ],
)
async def test_no_absolute_target_reaches_an_internal_route(
    rig: Rig, service: Service, target: bytes
):
    answer = await rig.raw(b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % target)
    assert answer[9:12] in (b"400", b"404"), answer[:100]
    assert not service.requests


def lines(count: int, length: int) -> bytes:
    return b"".join(b"x-%d: %b\r\n" % (number, b"a" * length) for number in range(count))


async def test_headers_over_the_limit_are_refused_in_the_envelope(rig: Rig, service: Service):
    request = b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%b\r\n"
    fine = await rig.raw(request % lines(30, 1000))
    assert fine.startswith(b"HTTP/1.1 200")
    answer = await rig.raw(request % lines(33, 1000))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431")
    assert json.loads(body)["error"]["code"] == 431
    assert len(service.requests) == 1


@pytest.mark.parametrize("headers", [lines(100, 1000), lines(101, 1)], ids=["bytes", "count"])
async def test_headers_beyond_the_servers_own_limit_end_the_connection(
    rig: Rig, service: Service, headers: bytes
):
    """hyper answers these before the gateway sees them: 431, without the envelope."""
    answer = await rig.raw(b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n" + HIDDEN)
    assert answer.startswith(b"HTTP/1.1 431")
    assert b"connection: close" in answer.lower()
    assert answer.count(b"HTTP/1.1") == 1
    assert not service.requests


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
    for _ in range(20):
        assert (await client.get(TAGS)).status_code == 200
    # A body that has not come yet holds no connection to a service.
    assert len([request for request in service.requests if request.method == "POST"]) == 0
    for writer in slow:
        writer.close()


async def test_a_head_that_never_ends_is_hung_up_on(service: Service, redis_url: str):
    async with running_gateway(service, redis_url, head_seconds=0.5) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(b"GET /api/v1/tags HTTP/1.1\r\nhost: x\r\nx-a: ")
        async with asyncio.timeout(30):
            await reader.read()
        writer.close()
    assert not service.requests
