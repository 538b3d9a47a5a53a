"""Answers that are the same for everybody are kept: when they are asked for, dropped, bounded."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from services.gateway.request.routes import Target
from tests.integration.gateway.edge_stage import (
    LATEST,
    OTHER,
    OTHER_ID,
    SHARED,
    VIDEO,
    VIDEO_ID,
    Stand,
    standing,
    told,
)
from tests.integration.gateway.rig import (
    Service,
)
from tests.support.wait import eventually
from tests.unit.gateway.films import film_facts


async def test_one_asks_for_all_who_ask_at_the_same_time(stand: Stand) -> None:
    stand.catalog.holds.clear()
    asking = [asyncio.create_task(stand.number(LATEST)) for _ in range(20)]
    await eventually(lambda: stand.waiting == 20)
    stand.catalog.holds.set()
    assert await asyncio.gather(*asking) == [0] * 20
    assert stand.catalog.asked[LATEST] == 1
    assert stand.metric("asked") == 1
    assert stand.metric("joined") + stand.metric("hit") == 19


async def test_who_hangs_up_takes_the_answer_from_nobody(stand: Stand) -> None:
    stand.catalog.holds.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", stand.rig.port)
    writer.write(
        f"GET {LATEST} HTTP/1.1\r\nhost: {stand.base_url.netloc.decode()}\r\n\r\n".encode()
    )
    await eventually(lambda: stand.catalog.asked[LATEST] == 1)
    other = asyncio.create_task(stand.number(LATEST))
    await eventually(lambda: stand.waiting == 2)
    writer.transport.abort()
    stand.catalog.holds.set()
    assert await other == 0
    assert stand.catalog.asked[LATEST] == 1


async def test_an_answer_is_dropped_when_the_catalog_tells_that_it_shows_something_else(
    stand: Stand,
) -> None:
    paths = (LATEST, LATEST + "?page=2", VIDEO, OTHER)
    for path in paths * 2:
        assert await stand.number(path) == 0
    await told(stand, VIDEO_ID)
    assert [await stand.number(path) for path in paths] == [0, 0, 1, 0]
    await told(stand, "lists", OTHER_ID)
    assert [await stand.number(path) for path in paths] == [1, 1, 1, 1]
    await told(stand, everything=True)
    assert [await stand.number(path) for path in paths] == [2, 2, 2, 2]


async def test_an_answer_from_before_a_change_is_not_kept_after_it(stand: Stand) -> None:
    stand.catalog.holds.clear()
    early = asyncio.create_task(stand.number(LATEST))
    await eventually(lambda: stand.catalog.asked[LATEST] == 1)
    await told(stand, "lists")
    late = asyncio.create_task(stand.number(LATEST))
    await eventually(lambda: stand.catalog.asked[LATEST] == 2)
    stand.catalog.holds.set()
    assert (await early, await late) == (0, 1)
    assert await stand.number(LATEST) == 1


async def test_what_nobody_is_told_of_is_seconds_old_at_most(stand: Stand) -> None:
    assert await stand.number(LATEST) == 0
    stand.clock.now += 4.9
    assert await stand.number(LATEST) == 0
    stand.clock.now += 0.1
    assert await stand.number(LATEST) == 1


async def test_less_is_kept_while_the_catalog_does_not_tell(stand: Stand) -> None:
    assert await stand.number(LATEST) == 0
    stand.catalog.fall_silent()
    await eventually(lambda: stand.metric("told") == 0)
    stand.clock.now += 1
    assert await stand.number(LATEST) == 1
    await eventually(lambda: stand.catalog.listeners == 1)
    await told(stand, "lists")
    assert await stand.number(LATEST) == 2


async def test_what_was_changed_through_this_gateway_is_shown_to_all(
    service: Service, redis_url: str
) -> None:
    async with standing(service, redis_url, trusted_proxies=1) as stand:
        paths = (LATEST, VIDEO, OTHER)
        assert [await stand.number(path, x_forwarded_for="10.0.0.1") for path in paths] == [0, 0, 0]
        writer = {"authorization": "Bearer x", "x-forwarded-for": "10.0.0.2"}
        await stand.put(f"/api/v1/streaming/{VIDEO_ID}", json={}, headers=writer)
        assert [await stand.number(path, x_forwarded_for="10.0.0.1") for path in paths] == [1, 1, 0]


async def test_who_has_counted_a_view_sees_it_and_does_not_slow_others(
    service: Service, redis_url: str
) -> None:
    async with standing(service, redis_url, trusted_proxies=1) as stand:
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.1") == 0
        path = f"/api/v1/streaming/views/{VIDEO_ID}"
        await stand.patch(path, headers={"x-forwarded-for": "10.0.0.2"})
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.2") == 1
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.3") == 0
        stand.clock.now += 5
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.3") == 2
        assert await stand.number(VIDEO, x_forwarded_for="10.0.0.2") == 2


async def test_pages_are_made_from_what_is_kept(
    service: Service, redis_url: str, tmp_path: Path
) -> None:
    tmp_path.joinpath("index.html").write_text("<html><head><title></title></head></html>")
    page = f"/watch/{VIDEO_ID}"
    async with standing(service, redis_url, web_root=tmp_path) as stand:
        stand.catalog.facts = film_facts(id=VIDEO_ID, title="As it was")
        for _ in range(3):
            assert "As it was" in (await stand.get(page)).text
        assert stand.catalog.asked[VIDEO] == 1
        stand.catalog.facts = film_facts(id=VIDEO_ID, title="As it is")
        await told(stand, VIDEO_ID)
        assert "As it is" in (await stand.get(page)).text
        stand.catalog.status = 404
        await told(stand, VIDEO_ID)
        assert (await stand.get(page)).status_code == 404


async def test_another_path_query_or_host_is_another_answer(stand: Stand) -> None:
    asked = [
        (LATEST, {}),
        (LATEST + "?page=1", {}),
        ("/api/v1/streaming/search?q=a", {}),
        ("/api/v1/streaming/search?q=A", {}),
        (LATEST, {"host": "evil.example"}),
    ]
    seen = [await stand.get(path, headers=headers) for path, headers in asked]
    assert [answer.status_code for answer in seen] == [200] * 5
    assert stand.catalog.heads[-1]["x-cinelog-origin"] == "http://evil.example"
    assert stand.metric("asked") == 5
    assert (await stand.get(LATEST)).json()["number"] == seen[0].json()["number"]


async def test_the_refusal_of_one_is_not_that_of_another(stand: Stand) -> None:
    """A service refuses callers for what they have done before."""
    stand.catalog.holds.clear()
    stand.catalog.status = 429
    first = asyncio.create_task(stand.get(LATEST))
    await eventually(lambda: stand.catalog.asked[LATEST] == 1)
    second = asyncio.create_task(stand.get(LATEST))
    await eventually(lambda: stand.waiting == 2)
    stand.catalog.holds.set()
    assert (await first).status_code == (await second).status_code == 429
    assert stand.catalog.asked[LATEST] == 2


async def test_what_the_reader_has_already_is_not_sent_again_nor_asked_for(stand: Stand) -> None:
    plain = await stand.get(LATEST, headers={"accept-encoding": "identity"})
    packed = await stand.get(LATEST, headers={"accept-encoding": "gzip, br;q=0"})
    assert plain.headers["etag"] == '"0"'
    assert packed.headers["etag"] == '"0-gzip"'
    assert plain.headers["cache-control"] == packed.headers["cache-control"] == SHARED
    assert plain.headers["vary"] == "Authorization, Accept-Encoding"
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 200 < len(plain.content)
    assert packed.json() == plain.json()
    for answer, coding in ((plain, "identity"), (packed, "gzip")):
        known = {"if-none-match": answer.headers["etag"], "accept-encoding": coding}
        again = await stand.get(LATEST, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]
    assert stand.catalog.asked[LATEST] == 1


async def test_an_answer_is_compressed_once(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    compress = gzip.compress
    monkeypatch.setattr(gzip, "compress", lambda *a, **k: made.append(a[0]) or compress(*a, **k))
    for _ in range(3):
        assert (await stand.get(LATEST)).headers["content-encoding"] == "gzip"
    stand.catalog.size = 10
    assert "content-encoding" not in (await stand.get(OTHER)).headers
    assert [json.loads(body)["number"] for body in made] == [0]


async def test_kept_answers_cost_tokens(service: Service, redis_url: str) -> None:
    async with standing(service, redis_url, rate_limit_general="1/1h burst 3") as stand:
        answers = [await stand.get(LATEST) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers[:2]] != []
    assert answers[0].headers["ratelimit"] != answers[1].headers["ratelimit"]
    assert answers[0].headers["trace-id"] != answers[1].headers["trace-id"]
    assert stand.catalog.asked[LATEST] == 1


async def test_memory_is_bounded_and_the_oldest_goes_first(
    service: Service, redis_url: str
) -> None:
    async with standing(service, redis_url, edge_cache_bytes=50_000) as stand:
        for page in range(1, 40):
            await stand.number(f"{LATEST}?page={page}")
            assert await stand.number(f"{LATEST}?page=1") == 0
            assert 0 < stand.metric("bytes") <= 50_000
        assert await stand.number(f"{LATEST}?page=39") == 0
        assert await stand.number(f"{LATEST}?page=2") == 1
        await told(stand, "lists")
        assert stand.metric("bytes") == 0


async def test_the_cache_can_be_switched_off(service: Service, redis_url: str) -> None:
    async with standing(service, redis_url, edge_cache_bytes=0) as stand:
        assert [await stand.number(LATEST) for _ in range(3)] == [0, 1, 2]
        assert not any("/internal/shown" in request.target for request in service.requests)


async def test_a_catalog_of_an_older_version_is_passed_on(stand: Stand) -> None:
    """Its answers say that they are private, and it knows no changes."""
    stand.catalog.headers = {"cache_control": "private, no-cache"}
    stand.catalog.without = {"x_cinelog_shows"}
    stand.catalog.fall_silent()
    await eventually(lambda: stand.metric("told") == 0)
    answers = [await stand.get(LATEST) for _ in range(2)]
    assert [answer.headers["cache-control"] for answer in answers] == ["private, no-cache"] * 2
    assert answers[0].json() != answers[1].json()


async def test_heads_and_errors_pass(stand: Stand) -> None:
    head = await stand.head(LATEST)
    assert (head.status_code, head.content) == (200, b"")
    assert stand.metric("bytes") == 0
    assert (await stand.get("/api/v1/users/x/videos")).status_code == 200


async def test_listening_is_no_sign_of_how_the_catalog_is(stand: Stand) -> None:
    """A circuit that is half open waits for one request: not for one that waits for news."""
    stand.catalog.breaks = True
    reads: Any = stand.rig.app._handlers[Target.CATALOG]
    breaker = reads._cache._catalog._breaker
    for page in range(6):
        assert (await stand.get(f"{LATEST}?page={page}")).status_code in {502, 503}
    assert breaker._opened_for
    stand.catalog.breaks = False
    stand.catalog.fall_silent()
    await eventually(lambda: stand.catalog.listened == 3 and stand.catalog.listeners == 1)

    async def well() -> bool:
        return (await stand.get(LATEST)).status_code == 200

    await eventually(well)
    assert stand.catalog.listened == 3
