"""HEAD is answered like GET, without the body."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import get, head, post
from litestar.response import Response, ServerSentEvent

from shared.errors import NotFound
from shared.http.app import create_app
from shared.http.envelope import Success


@get("/things")
async def things() -> Response[Success[str]]:
    return Response(Success(data="x" * 100), headers={"x-kind": "things"})


@get("/missing")
async def missing() -> None:
    raise NotFound("None.")


@post("/only-post")
async def only_post() -> None:
    return None


@get("/both")
async def both_get() -> str:
    return "never asked"


@head("/both")
async def both_head() -> Response[None]:
    return Response(None, headers={"upload-offset": "7"})


@get("/events")
async def events() -> ServerSentEvent:
    async def endless() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await asyncio.sleep(0.01)

    return ServerSentEvent(endless())


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("demo", [things, missing, only_post, both_get, both_head, events])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://demo") as plain:
        yield plain


@pytest.mark.parametrize("path", ["/things", "/missing", "/nowhere", "/health"])
async def test_it_says_what_a_get_says(client: httpx.AsyncClient, path: str) -> None:
    whole, bare = await client.get(path), await client.head(path)
    assert bare.status_code == whole.status_code
    assert bare.content == b""
    varying = {"x-request-id", "trace-id", "server-timing"}
    assert bare.headers.keys() == whole.headers.keys()
    assert [pair for pair in bare.headers.items() if pair[0] not in varying] == [
        pair for pair in whole.headers.items() if pair[0] not in varying
    ]


async def test_a_route_that_has_a_head_of_its_own_keeps_it(client: httpx.AsyncClient) -> None:
    answer = await client.head("/both")
    assert answer.headers["upload-offset"] == "7"


async def test_what_has_no_get_refuses_it(client: httpx.AsyncClient) -> None:
    answer = await client.head("/only-post")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


async def test_an_answer_without_end_ends(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        answer = await client.head("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""


async def test_it_is_counted_under_its_route(client: httpx.AsyncClient) -> None:
    await client.head("/things")
    figures = (await client.get("/metrics")).text
    wanted = 'http_requests_total{method="HEAD",route="/things",service="demo",status="200"} 1.0'
    assert wanted in figures
