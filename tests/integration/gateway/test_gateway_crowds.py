"""What a crowd at a live costs the gateway little, and what it must not lose by that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from services.gateway.limits.leases import KEPT_SECONDS, MOST
from services.gateway.limits.redis_buckets import RedisBuckets
from services.gateway.request.exchange import WHOLE
from tests.integration.gateway.rig import Clock, Rig, Service, Wire, keys_known, running_gateway
from tests.integration.gateway.test_gateway_live import BASE, VIDEO, Lives
from tests.support.wait import eventually

PART = f"{BASE}/1/top/5.0.m4s"
PLAYLIST = f"{BASE}/top.m3u8"
BODY = bytes(range(256)) * 1000
SLOW = 128
"""A burst that is wide enough to be taken in twos; its tokens do not come back within a test."""


@pytest.fixture
def lives(service: Service) -> Lives:
    found = Lives(service)
    found.owner = service.address
    found.hot["top.m3u8"] = b"#EXTM3U\n"
    found.hot["1/top/5.0.m4s"] = BODY
    return found


class Counting(RedisBuckets):
    """Counts the questions to Redis."""

    def __init__(self, buckets: RedisBuckets) -> None:
        self._buckets = buckets
        self.asked = 0

    async def take(self, key: bytes, arguments: bytes) -> Any:
        self.asked += 1
        return await self._buckets.take(key, arguments)


@asynccontextmanager
async def gateway(
    service: Service, redis_url: str, **changes: Any
) -> AsyncIterator[tuple[Rig, httpx.AsyncClient, Counting]]:
    changes.setdefault("clock", Clock())
    async with (
        running_gateway(service, redis_url, trusted_proxies=1, **changes) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False, timeout=60) as client,
    ):
        limiter = rig.app._limiter
        limiter._redis = counting = Counting(limiter._redis)
        yield rig, client, counting


def answers(rig: Rig) -> dict[tuple[str, str, int], int]:
    series = rig.app._observer._metrics._series  # type: ignore[union-attr]
    return {key: durations.count for key, durations in series.items()}


async def test_a_viewer_s_tokens_are_asked_for_together(
    service: Service, redis_url: str, lives: Lives
) -> None:
    async with gateway(service, redis_url) as (rig, client, redis):
        left = []
        for number in range(2 * MOST):
            answer = await client.get(PART if number % 2 else PLAYLIST)
            assert answer.headers["ratelimit-policy"] == '"media";q=1000;w=5'
            left.append(int(answer.headers["ratelimit"].partition("r=")[2].partition(";")[0]))
        assert redis.asked == 2
        # Those of the first question; meanwhile some of them have come back.
        assert left[:MOST] == list(range(999, 999 - MOST, -1))
        counted = rig.app._limiter._decisions.counts
        assert counted["media", True, "redis"] == 2 * MOST
        assert sum(counted.values()) == 2 * MOST


async def test_the_limit_of_media_holds_to_the_token_over_two_gateways(
    service: Service, redis_url: str, lives: Lives
) -> None:
    options = {"rate_limit_media": f"1/100s burst {SLOW}"}
    async with AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(gateway(service, redis_url, **options))
            for _ in range(2)
        ]
        statuses = [
            (await found[number % 2][1].get(PART)).status_code for number in range(SLOW + 20)
        ]
        assert statuses == [200] * SLOW + [429] * 20
        # In twos, and one by one once the bucket runs dry.
        assert SLOW * 5 // 8 < sum(redis.asked for _, _, redis in found) < SLOW
        # Somebody else has tokens of their own.
        other = {"x-forwarded-for": "203.0.113.9"}
        assert (await found[0][1].get(PART, headers=other)).status_code == 200


async def test_requests_at_the_same_time_take_no_tokens_that_nobody_spends(
    service: Service, redis_url: str, lives: Lives
) -> None:
    async with gateway(service, redis_url, rate_limit_media="1/100s burst 1000") as (_, client, _):
        first = await asyncio.gather(*(client.get(PART) for _ in range(40)))
        last = await client.get(PART)
        assert {answer.status_code for answer in first} == {200}
        left = int(last.headers["ratelimit"].partition("r=")[2].partition(";")[0])
        assert left >= 1000 - 41 - MOST


async def test_tokens_that_are_not_spent_in_time_are_asked_for_anew(
    service: Service, redis_url: str, lives: Lives
) -> None:
    clock = Clock()
    async with gateway(service, redis_url, clock=clock) as (_, client, redis):
        for _ in range(3):
            assert (await client.get(PART)).status_code == 200
            clock.now += KEPT_SECONDS
        assert redis.asked == 3


async def test_a_user_and_an_address_have_tokens_of_their_own(
    service: Service, redis_url: str, lives: Lives
) -> None:
    async with gateway(service, redis_url) as (rig, client, redis):
        await keys_known(rig, service.token("ada"))
        token = {"authorization": f"Bearer {service.token('ada')}"}
        for headers in (token, {"x-forwarded-for": "203.0.113.1"}, {"x-forwarded-for": "::1"}):
            for _ in range(3):
                assert (await client.get(PART, headers=headers)).status_code == 200
        assert redis.asked == 3


async def test_without_redis_nobody_gets_a_new_burst(
    service: Service, redis_url: str, lives: Lives
) -> None:
    async with (
        Wire(redis_url).running() as wire,
        gateway(service, wire.url, rate_limit_media=f"1/100s burst {SLOW}") as (rig, client, _),
    ):
        for _ in range(SLOW - 10):
            assert (await client.get(PART)).status_code == 200
        wire.cut()
        await eventually(lambda: not rig.app._limiter.shared)
        statuses = [(await client.get(PART)).status_code for _ in range(20)]
        assert statuses == [200] * 10 + [429] * 10


async def test_what_is_kept_in_memory_is_refused_once_the_live_is_private(
    service: Service, redis_url: str, lives: Lives
) -> None:
    clock = Clock()
    async with gateway(service, redis_url, clock=clock) as (rig, client, _):
        for url in (PART, PLAYLIST):
            assert (await client.get(url)).status_code == 200
        lives.visibility = "private"
        clock.now += 6
        for url in (PART, PLAYLIST, f"{PLAYLIST}?_HLS_msn=1", f"{PLAYLIST}?_HLS_skip=YES"):
            refused = await client.get(url)
            assert refused.status_code == 404
            assert refused.headers["content-type"] == "application/json"
        assert (await client.get(PART.replace("/public/", "/a.b.c/"))).status_code == 404
        assert answers(rig) == {
            ("GET", "/media/{token}/{video}/*", 200): 2,
            ("GET", "/media/{token}/{video}/*", 404): 5,
        }


@pytest.mark.parametrize("size", [0, 1, WHOLE, WHOLE + 1, 3 * WHOLE])
async def test_an_answer_of_any_size_is_whole_and_has_all_headers(
    service: Service, redis_url: str, lives: Lives, size: int
) -> None:
    body = (BODY * 4)[:size]
    lives.hot["1/top/6.m4s"] = body
    async with gateway(service, redis_url, public_url="https://example.com") as (rig, client, _):
        url = f"{BASE}/1/top/6.m4s"
        answer, head = await client.get(url), await client.head(url)
        assert answer.content == body
        assert head.content == b""
        for found in (answer, head):
            assert found.headers["content-length"] == str(size)
            assert found.headers["content-type"] == "video/iso.segment"
            assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert found.headers["content-security-policy"] == "default-src 'none'; sandbox"
            assert found.headers["x-content-type-options"] == "nosniff"
            assert found.headers["strict-transport-security"].startswith("max-age=")
            assert found.headers["trace-id"] in found.headers["server-timing"]
            assert found.headers["ratelimit"].startswith('"media";')
        assert set(answers(rig)) == {
            (method, "/media/{token}/{video}/*", 200) for method in ("GET", "HEAD")
        }


async def test_the_access_log_has_a_line_for_each_viewer_s_request(
    service: Service, redis_url: str, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(service, redis_url, access_log="true") as (rig, client, _):
        written: list[bytes] = []
        monkeypatch.setattr(rig.app._observer._access_log, "_write", written.append)
        for address in ("203.0.113.1", "203.0.113.2"):
            headers = {"x-forwarded-for": address}
            assert (await client.get(PART, headers=headers)).status_code == 200
        rig.app._observer._access_log.flush()
        lines = b"".join(written).decode().splitlines()
        assert len(lines) == 2
        for line, address in zip(lines, ("203.0.113.1", "203.0.113.2"), strict=True):
            for said in (f"/media/public/{VIDEO}/live/1/top/5.0.m4s", address, "200"):
                assert said in line
