"""Nobody gets from the edge cache what is not the same for them."""

from typing import Any

import pytest

from tests.integration.gateway.edge_stage import (
    LATEST,
    VIDEO,
    VIDEO_ID,
    Stand,
    standing,
)
from tests.integration.gateway.rig import (
    Peer,
    Request,
    Service,
    keys_known,
)

PERSONAL: list[dict[str, Any]] = [
    {"headers": {"set_cookie": "a=b"}},
    {"headers": {"cache_control": "private, no-cache"}},
    {"headers": {"cache_control": "no-store"}},
    {"headers": {"cache_control": "public, Private"}},
    {"headers": {"vary": "cookie"}},
    {"headers": {"vary": "*"}},
    {"headers": {"content_encoding": "x"}},
    {"headers": {"x_cinelog_wrote": "video-1@1"}},
    {"without": {"x_cinelog_shows"}},
    {"without": {"cache_control"}},
    {"without": {"etag"}},
    {"size": 600 * 1024},
    {"status": 404},
    {"status": 500},
    {"status": 206},
    {"status": 301},
]


@pytest.mark.parametrize("answer", PERSONAL, ids=str)
async def test_what_is_not_for_everybody_is_not_kept(stand: Stand, answer: dict[str, Any]) -> None:
    for name, value in answer.items():
        setattr(stand.catalog, name, value)
    first, second = await stand.get(LATEST), await stand.get(LATEST)
    assert first.status_code == second.status_code == answer.get("status", 200)
    assert stand.metric("bytes") == 0
    stand.catalog.status = 200
    assert second.json()["number"] != first.json()["number"]


async def test_nobody_gets_what_was_answered_to_a_token(stand: Stand) -> None:
    """Not even one that the gateway cannot read: the service decides what it is worth."""
    for number, token in enumerate(("Bearer x", "Basic eDp5", "x")):
        assert await stand.number(VIDEO, authorization=token) == number
        assert stand.catalog.heads[-1]["authorization"] == token
    assert stand.metric("bytes") == 0
    assert await stand.number(VIDEO) == 3
    assert await stand.number(VIDEO, authorization="Bearer x") == 4
    assert await stand.number(VIDEO) == 3


async def signed_in(stand: Stand, service: Service, user: str) -> dict[str, str]:
    """The header of a token that the gateway has verified."""
    token = service.token(user)
    await keys_known(stand.rig, token)
    return {"authorization": f"Bearer {token}"}


async def test_who_is_signed_in_gets_the_kept_answer_that_would_be_theirs(
    stand: Stand, service: Service
) -> None:
    stand.catalog.headers = {"x_cinelog_apart": "ann"}
    ann, ben = [await signed_in(stand, service, user) for user in ("ann", "ben")]
    assert await stand.number(VIDEO) == 0
    assert await stand.number(VIDEO, **ben) == 0
    assert await stand.number(VIDEO, **ann) == 1
    assert stand.catalog.heads[-1]["authorization"] == ann["authorization"]
    assert [await stand.number(VIDEO), await stand.number(VIDEO, **ben)] == [0, 0]


async def test_who_is_signed_in_asks_for_everybody_without_their_token(
    stand: Stand, service: Service
) -> None:
    stand.catalog.headers = {"x_cinelog_apart": "nobody"}
    ben = await signed_in(stand, service, "ben")
    assert await stand.number(LATEST, **ben) == 0
    assert "authorization" not in stand.catalog.heads[-1]
    assert await stand.number(LATEST) == 0


async def test_what_the_catalog_does_not_call_the_same_is_asked_with_the_token(
    stand: Stand, service: Service
) -> None:
    ben = await signed_in(stand, service, "ben")
    assert await stand.number(LATEST) == 0
    assert await stand.number(LATEST, **ben) == 1
    assert await stand.number(LATEST) == 0


async def test_what_others_are_refused_is_asked_for_its_owner(
    stand: Stand, service: Service
) -> None:
    ann = await signed_in(stand, service, "ann")
    handler = service.handler

    async def hidden(request: Request, peer: Peer) -> None:
        if request.target.startswith("/internal/") or "authorization" in request.headers:
            await handler(request, peer)
        else:
            await peer.answer(404, {"success": False})

    service.handler = hidden
    assert [await stand.number(VIDEO, **ann) for _ in range(2)] == [0, 1]
    assert (await stand.get(VIDEO)).status_code == 404
    assert stand.metric("bytes") == 0


async def test_who_has_written_is_shown_it_wherever_they_read_next(
    service: Service, redis_url: str
) -> None:
    async with standing(service, redis_url, trusted_proxies=1) as stand:
        stand.catalog.headers = {"x_cinelog_apart": "nobody"}
        ben = await signed_in(stand, service, "ben")
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.1") == 0
        path = f"/api/v1/streaming/views/{VIDEO_ID}"
        await stand.patch(path, headers={"x-forwarded-for": "10.0.0.2", **ben})
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.3", **ben) == 1
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.3") == 0


async def test_nothing_of_a_caller_is_in_an_answer_for_others(stand: Stand) -> None:
    own = {
        "cookie": "session=mine",
        "accept-language": "de",
        "user-agent": "mine",
        "if-none-match": '"0"',
        "range": "bytes=0-0",
        "x-cinelog-client": "6.6.6.6",
        "x-cinelog-shows": "nothing",
        "accept-encoding": "identity",
    }
    await stand.get(LATEST, headers=own)
    assert stand.catalog.heads[-1].keys() == {
        *("host", "accept", "x-request-id", "traceparent", "x-cinelog-client", "x-cinelog-origin")
    }
    assert stand.catalog.heads[-1]["x-cinelog-client"] == "127.0.0.1"
