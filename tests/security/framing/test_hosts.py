"""Hosts that a client invents, in the request's target or in Host, decide nothing."""

from typing import Any

import pytest

from tests.integration.gateway.rig import Rig, Service, running_gateway

EVIL = b"evil.example"
OURS = "https://cinelog.example"
MEDIA = "https://media.example"
PATHS = [
    b"/",
    b"/watch/1",
    b"/no.file",
    b"/health",
    b"/docs",
    b"/docs/openapi.json",
    b"/metrics",
    b"/api/v1/streaming/latest",
    b"/api/v1/streaming/id/1",
    b"/api/v1/users/me",
    b"/api/v1/uploads",
    b"/api/v1/auth/refresh",
    b"/api/v1/jobs/1/events",
    b"/api/v1/webhooks",
    b"/media/public/1/master.m3u8",
    b"/media/x/1/master.m3u8",
]


async def ask(rig: Rig, method: bytes, target: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return await rig.raw(b"%b %b HTTP/1.1\r\n%bconnection: close\r\n\r\n" % (method, target, lines))


def told(service: Service) -> bytes:
    """All that services were told, in lower case."""
    return repr(service.requests).lower().encode()


@pytest.mark.parametrize("target", [b"http://%b", b"https://%b:81", b"http://x@%b", b"http://%b."])
async def test_the_host_of_a_target_is_in_no_answer(
    rig: Rig, service: Service, target: bytes
) -> None:
    """Nor does a service learn it: no link, redirect, cookie or key of a cache can hold it."""
    for method in (b"GET", b"POST", b"OPTIONS"):
        for path in PATHS:
            answer = await ask(rig, method, target % EVIL + path, b"host: x")
            assert answer.startswith(b"HTTP/1.1 "), (method, path)
            assert b"evil" not in answer.lower(), (method, path, answer)
    assert service.requests
    assert b"evil" not in told(service)


async def test_where_our_address_is_configured_no_request_names_another(
    service: Service, redis_url: str
) -> None:
    options: dict[str, Any] = {"public_url": OURS, "media_redirect_base": MEDIA}
    async with running_gateway(service, redis_url, **options) as rig:
        for path in PATHS:
            for head in (
                [path, b"host: " + EVIL],
                [path, b"host: x", b"x-forwarded-host: " + EVIL, b"forwarded: host=" + EVIL],
                [path, b"host: x", b"x-cinelog-origin: https://" + EVIL],
                [b"http://%b%b" % (EVIL, path), b"host: " + EVIL],
                # The server makes a Host of the target's.
                [b"http://%b%b" % (EVIL, path)],
            ):
                answer = await ask(rig, b"GET", *head)
                assert b"evil" not in answer.lower(), (head, answer)
    assert b"evil" not in told(service)
    origins = {request.headers.get("x-cinelog-origin", OURS) for request in service.requests}
    assert origins == {OURS}


async def test_without_such_an_address_host_names_the_origin_and_nothing_else(
    rig: Rig, service: Service
) -> None:
    for path in PATHS:
        await ask(rig, b"GET", path, b"host: " + EVIL)
    origin = f"http://{EVIL.decode()}"
    for request in service.requests:
        named = {name for name, value in request.headers.items() if "evil" in value}
        assert named <= {"x-cinelog-origin"}
        assert request.headers.get("x-cinelog-origin", origin) == origin
        assert "evil" not in request.target
