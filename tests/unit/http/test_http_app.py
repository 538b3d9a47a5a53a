"""A service's defaults: every answer has the envelope, whatever goes wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from shared.errors import (
    Conflict,
    Detail,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from shared.http.app import create_app
from shared.http.envelope import Success
from shared.http.identity import InvalidToken, Principal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Body(msgspec.Struct):
    count: int
    name: Annotated[str, msgspec.Meta(min_length=3)]


class Taken(Conflict):
    code = "taken"


RAISES = {
    "400": InvalidInput("Bad.", [Detail("name", "is odd")]),
    "401": Unauthenticated("Log in."),
    "403": Forbidden("No."),
    "404": NotFound("None."),
    "409": Taken("Taken."),
    "413": TooLarge("Big."),
    "415": UnsupportedMedia("Odd."),
    "429": TooManyRequests("Slow down.", retry_after=6.2),
    "503": Unavailable("Later."),
}


@post("/things/{thing:str}")
async def make(thing: FromPath[str], data: JSONBody[Body]) -> Success[Body]:
    return Success(data=data)


@get("/raise/{status:str}")
async def fail(status: FromPath[str]) -> Success[str]:
    raise RAISES[status]


@get("/bug")
async def bug() -> Success[str]:
    raise RuntimeError("select * from secrets")


@get("/outage")
async def outage() -> Success[str]:
    raise ConnectionRefusedError("postgresql://user:pw@host")


@get("/mine")
async def mine(principal: NamedDependency[Principal]) -> Success[str]:
    return Success(data=principal.username)


@get("/public")
async def public(optional_principal: NamedDependency[Principal | None]) -> Success[str]:
    return Success(data=optional_principal.username if optional_principal else "nobody")


class Alice:
    """A verifier that knows one token."""

    async def verify(self, token: str) -> Principal:
        if token == "down":
            raise Unavailable("No keys.")
        if token != "alice":
            raise InvalidToken("Log in again.")
        return Principal("u", "alice", "s", "t", 0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield


async def healthy() -> None:
    return


async def broken() -> None:
    raise ConnectionError("postgresql://user:pw@host is down")


async def hanging() -> None:
    await asyncio.Event().wait()


def build(**options: Any) -> Litestar:
    return create_app("demo", [make, fail, bug, outage, mine, public], max_body=200_000, **options)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app: Any = build(checks={"database": healthy}, verifier=Alice())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def error(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert body["success"] is False
    assert "data" not in body
    assert body["error"]["code"] == response.status_code
    assert body["error"]["trace_id"] == response.headers["trace-id"]
    return body["error"]


async def test_success(client: httpx.AsyncClient) -> None:
    response = await client.post("/things/1", json={"count": 1, "name": "abc"})
    assert response.status_code == 201
    assert response.json() == {"success": True, "data": {"count": 1, "name": "abc"}}


@pytest.mark.parametrize("status", RAISES)
async def test_our_errors(client: httpx.AsyncClient, status: str) -> None:
    response = await client.get(f"/raise/{status}")
    assert response.status_code == int(status)
    told, raised = error(response), RAISES[status]
    assert (told["type"], told["message"]) == (raised.code, raised.message)


async def test_what_goes_with_an_error(client: httpx.AsyncClient) -> None:
    assert error(await client.get("/raise/400"))["details"] == [
        {"field": "name", "message": "is odd"}
    ]
    assert "details" not in error(await client.get("/raise/404"))
    assert (await client.get("/raise/429")).headers["retry-after"] == "7"
    assert (await client.get("/raise/503")).headers["retry-after"] == "1"
    assert (await client.get("/raise/401")).headers["www-authenticate"].startswith("Bearer")


async def test_invalid_bodies(client: httpx.AsyncClient) -> None:
    async def post(**sent: Any) -> tuple[int, dict[str, Any]]:
        response = await client.post("/things/1", **sent)
        return response.status_code, error(response)

    status, told = await post(json={"count": 1, "name": "a"})
    assert (status, told["type"]) == (400, "invalid_input")
    assert told["details"] == [{"field": "name", "message": "must have at least 3 characters"}]
    status, told = await post(json={"name": "abc"})
    assert (status, told["details"]) == (400, [{"field": "count", "message": "is required"}])
    nested = b'{"x":' + b"[" * 100_000
    for nonsense in (b"{", b"", b"[]", b"null", b'"\xff"', b'{"count": 1e999}', nested):
        status, told = await post(content=nonsense, headers={"content-type": "application/json"})
        assert (status, told["type"]) == (400, "invalid_input"), nonsense
    status, told = await post(content=b"<a/>", headers={"content-type": "text/xml"})
    assert (status, told["type"]) == (415, "unsupported_media_type")
    status, told = await post(json={"count": 1, "name": "a" * 200_000})
    assert (status, told["type"]) == (413, "too_large")


async def test_unknown_paths_and_methods(client: httpx.AsyncClient) -> None:
    response = await client.get("/nowhere")
    assert (response.status_code, error(response)["type"]) == (404, "not_found")
    response = await client.put("/bug")
    assert (response.status_code, error(response)["type"]) == (405, "method_not_allowed")
    assert response.headers["allow"]


async def test_a_bug_leaks_nothing(client: httpx.AsyncClient) -> None:
    response = await client.get("/bug")
    assert (response.status_code, error(response)["type"]) == (500, "internal")
    assert "secrets" not in response.text


async def test_an_outage_says_that_it_will_pass(client: httpx.AsyncClient) -> None:
    response = await client.get("/outage")
    assert (response.status_code, error(response)["type"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"
    assert "pw" not in response.text


async def test_requests_are_traced(client: httpx.AsyncClient) -> None:
    response = await client.get(
        "/health", headers={"traceparent": TRACE, "x-request-id": "abcd-123"}
    )
    assert response.headers["trace-id"] == TRACE.split("-")[1]
    assert re.fullmatch(
        r'traceparent;desc="00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-0[0-3]"',
        response.headers["server-timing"],
    )
    assert response.headers["x-request-id"] == "abcd-123"
    forged = await client.get("/health", headers={"x-request-id": 'a" evil="1'})
    assert re.fullmatch(r"[0-9a-f-]{36}", forged.headers["x-request-id"])


@pytest.mark.parametrize(
    ("header", "mine_status", "public_name"),
    [
        (None, 401, "nobody"),
        ("Bearer alice", 200, "alice"),
        ("Bearer expired", 401, "nobody"),
        ("Basic alice", 401, "nobody"),
        ("Bearer down", 503, "nobody"),
    ],
)
async def test_callers(
    client: httpx.AsyncClient, header: str | None, mine_status: int, public_name: str
) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = await client.get("/mine", headers=headers)
    assert answer.status_code == mine_status
    assert ("www-authenticate" in answer.headers) == (mine_status == 401)
    answer = await client.get("/public", headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (200, public_name)


async def test_metrics_use_templates(client: httpx.AsyncClient) -> None:
    for thing in ("1", "2"):
        await client.post(f"/things/{thing}", json={"count": 1, "name": "abc"})
    await client.get("/nowhere/1")
    await client.get("/bug")
    text = (await client.get("/metrics")).text
    wanted = 'http_requests_total{method="%s",route="%s",service="demo",status="%s"} %s'
    assert wanted % ("POST", "/things/{thing}", "201", "2.0") in text
    assert wanted % ("GET", "unmatched", "404", "1.0") in text
    assert wanted % ("GET", "/bug", "500", "1.0") in text
    assert 'http_requests_in_flight{service="demo"} 1.0' in text
    assert "http_request_duration_seconds_bucket" in text


async def test_ready_says_what_is_missing() -> None:
    checks = {"database": broken, "broker": healthy, "storage": hanging}
    app: Any = build(checks=checks, verifier=Alice())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/health")).status_code == 200
        response = await client.get("/ready")
    assert response.status_code == 503
    told = error(response)
    assert [detail["field"] for detail in told["details"]] == ["database", "storage"]
    assert "pw" not in response.text


async def test_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ready")).json()["data"] == {
        "status": "ready",
        "checks": {"database": "ok"},
    }


async def test_the_document_tells_the_contract(client: httpx.AsyncClient) -> None:
    document = (await client.get("/internal/openapi.json")).json()
    responses = document["paths"]["/things/{thing}"]["post"]["responses"]
    content = "application/json"
    assert responses["201"]["content"][content]["schema"]["$ref"].endswith("/SuccessBody")
    for status in ("400", "default"):
        assert responses[status]["content"][content]["schema"]["$ref"].endswith("/Failure")
    assert {"SuccessBody", "Body", "Failure", "Problem"} <= set(document["components"]["schemas"])
    assert "/health" not in document["paths"]
