"""What arrives at a service, and what comes back from it."""

import json

import httpx
import pytest

from tests.integration.gateway.rig import Peer, Request, Rig, Service, running_gateway
from tests.integration.gateway.wire import TAGS, envelope


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


WROTE = "user-01a21b02-3840-7dd3-a142-3a4dabea09dd@2,upload-x@1"


@pytest.mark.parametrize("catalog", ["shows it", "is late", "hangs up"])
async def test_an_answer_waits_until_the_catalog_shows_what_was_written(
    client: httpx.AsyncClient, service: Service, catalog: str
) -> None:
    async def handler(request: Request, peer: Peer) -> None:
        if not request.target.startswith("/internal/"):
            await peer.answer(200, {"success": True}, x_cinelog_wrote=WROTE)
        elif catalog == "hangs up":
            raise ConnectionError
        else:
            await peer.answer(200, {"caught_up": catalog == "shows it"})

    service.handler = handler
    answer = await client.post("/api/v1/auth/logout")
    assert answer.status_code == 200
    assert "x-cinelog-wrote" not in answer.headers
    assert [request.target for request in service.requests][:2] == [
        "/api/v1/auth/logout",
        f"/internal/caught-up?events={WROTE}",
    ]
    service.requests.clear()
    # Neither do reads wait, nor the catalog for itself.
    for method, path in (("GET", "/api/v1/users/me"), ("PUT", "/api/v1/streaming/x")):
        answer = await client.request(method, path)
        assert "x-cinelog-wrote" not in answer.headers
    assert not [request for request in service.requests if "/internal/" in request.target]


async def test_what_a_service_says_it_wrote_is_no_part_of_a_request(
    client: httpx.AsyncClient, service: Service
) -> None:
    async def handler(_: Request, peer: Peer) -> None:
        await peer.answer(200, {}, x_cinelog_wrote="a@1&x=/../b")

    service.handler = handler
    await client.post("/api/v1/auth/logout")
    assert [request.target for request in service.requests] == ["/api/v1/auth/logout"]
