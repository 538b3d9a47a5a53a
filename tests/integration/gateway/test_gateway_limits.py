"""Rate limits: exact across gateways, and what happens without Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry

from services.gateway.limits.redis_buckets import RedisBuckets, packed_arguments
from services.gateway.limits.redis_pipe import RedisGone, RedisPipe
from shared.loops.cancellation import end
from shared.loops.loops import Loops
from shared.token_bucket import MICROS, Bucket
from tests.integration.gateway.rig import Rig, Service, Wire, keys_known, running_gateway
from tests.support.wait import eventually

PATH = "/api/v1/tags"


async def redis_now(url: str) -> float:
    async with redis.asyncio.from_url(url) as client:
        seconds, micros = await client.time()
        return seconds + micros / MICROS


async def statuses(client: httpx.AsyncClient, count: int, **options: object) -> list[int]:
    answers = [await client.get(PATH, **options) for _ in range(count)]  # type: ignore[arg-type]
    return [answer.status_code for answer in answers]


async def test_two_gateways_share_one_bucket_to_the_token(service: Service, redis_url: str):
    options = {"rate_limit_general": "10/s burst 20"}
    async with (
        running_gateway(service, redis_url, **options) as one,
        running_gateway(service, redis_url, **options) as two,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        began = await redis_now(redis_url)
        allowed = 0
        answers: list[int] = []

        async def ask(rig: Rig) -> None:
            answers.append((await client.get(rig.url + PATH)).status_code)

        tasks = []
        for number in range(200):
            tasks.append(asyncio.create_task(ask(one if number % 2 else two)))
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        ended = await redis_now(redis_url)
        allowed = answers.count(200)
        assert set(answers) == {200, 429}
        assert allowed <= 20 + 10 * (ended - began) + 1
        # Each gateway asks again at most one offered request after a token has dripped in.
        assert allowed >= 20 + 10 * (ended - began) - 3


async def test_answers_tell_what_is_left(service: Service, redis_url: str):
    async with (
        running_gateway(service, redis_url, rate_limit_general="1/10s burst 2") as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        first, second, refused, again = [await client.get(PATH) for _ in range(4)]
        assert first.headers["ratelimit-policy"] == '"general";q=2;w=20'
        assert first.headers["ratelimit"] == '"general";r=1;t=10'
        assert second.headers["ratelimit"].startswith('"general";r=0;t=')
        for answer in (refused, again):
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 10
            assert answer.headers["ratelimit"].startswith('"general";r=0;')
            error = answer.json()["error"]
            assert (error["code"], error["type"]) == (429, "too_many_requests")
            assert error["trace_id"] == answer.headers["trace-id"]
        assert len(service.requests) == 2


async def test_each_user_and_each_address_has_a_bucket(service: Service, redis_url: str):
    async with (
        running_gateway(
            service, redis_url, rate_limit_general="1/100s burst 2", trusted_proxies=1
        ) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        ada, bob = (
            {"authorization": f"Bearer {service.token(name)}", "x-forwarded-for": "203.0.113.1"}
            for name in ("ada", "bob")
        )
        await keys_known(rig, service.token("ada"))
        assert await statuses(client, 3, headers=ada) == [200, 200, 429]
        assert await statuses(client, 3, headers=bob) == [200, 200, 429]
        for address in ("203.0.113.1", "2001:db8:0:1::1"):
            headers = {"x-forwarded-for": f"6.6.6.6, {address}"}
            assert await statuses(client, 3, headers=headers) == [200, 200, 429]
        neighbour = {"x-forwarded-for": "2001:db8:0:1:ffff::9"}
        assert await statuses(client, 1, headers=neighbour) == [429]


@pytest.mark.parametrize("scheme", ["Bearer forged.token.here", "Bearer", "Basic abc"])
async def test_an_invalid_token_buys_no_bucket(service: Service, redis_url: str, scheme: str):
    async with (
        running_gateway(service, redis_url, rate_limit_general="1/100s burst 1") as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        assert await statuses(client, 1) == [200]
        assert await statuses(client, 1, headers={"authorization": scheme}) == [429]


async def test_logging_in_is_limited_by_address_whatever_token_comes_along(
    service: Service, redis_url: str
):
    async with (
        running_gateway(service, redis_url) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        await keys_known(rig, service.token("ada"))
        answers = []
        for name in ("ada", "bob", "eve", "joe"):
            headers = {"authorization": f"Bearer {service.token(name)}"}
            answers.append(await client.post("/api/v1/auth/login", headers=headers, json={}))
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit-policy"] == '"auth";q=3;w=60'
        assert (await client.get(PATH)).status_code == 200


@pytest.mark.parametrize("trouble", ["cut", "stall"])
async def test_without_redis_the_gateway_counts_for_itself(
    service: Service, redis_url: str, trouble: str
):
    async with (
        Wire(redis_url).running() as wire,
        running_gateway(service, wire.url, rate_limit_general="1/100s burst 5") as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False, timeout=20) as client,
    ):
        limiter = rig.app._limiter
        assert await statuses(client, 3) == [200] * 3
        getattr(wire, trouble)()
        assert (await client.get(PATH)).status_code == 200
        await eventually(lambda: not limiter.shared)
        # It goes on from what Redis said last: nobody gets a new burst.
        assert await statuses(client, 4) == [200] + [429] * 3
        # Without any burst, so that an attack on Redis does not open the login.
        logins = [(await client.post("/api/v1/auth/login", json={})).status_code for _ in "123"]
        assert logins == [200, 429, 429]
        assert (await client.get("/health")).status_code == 200
        assert "redis" in (await client.get("/ready")).json()["error"]["message"]
        wire.mend()
        await eventually(lambda: limiter.shared)
        # Redis still knows what was taken before; a question that was on its way counts too.
        left = 2 if trouble == "cut" else 1
        assert await statuses(client, left + 1) == [200] * left + [429]


async def test_a_flood_of_refused_requests_does_not_reach_redis(service: Service, redis_url: str):
    async with (
        running_gateway(service, redis_url, rate_limit_general="1/100s burst 1") as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        redis.asyncio.from_url(redis_url) as server,
    ):
        await statuses(client, 2)
        before = (await server.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
        assert await statuses(client, 50) == [429] * 50
        after = (await server.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
        # Other tests share the server, so only the order of magnitude can be told.
        assert after - before < 50


@asynccontextmanager
async def held(url: str) -> AsyncIterator[RedisPipe]:
    pipe = RedisPipe(url)
    loops = Loops(CollectorRegistry())
    holding = asyncio.create_task(loops.persist("hold redis", pipe.session))
    try:
        await eventually(lambda: pipe.ready)
        yield pipe
    finally:
        await end([holding])


async def test_the_script_is_loaded_again_when_redis_forgot_it(redis_url: str):
    async with held(redis_url) as pipe:
        buckets, arguments = RedisBuckets(pipe), packed_arguments(Bucket(100 * MICROS, 2))
        assert (await buckets.take(b"again", arguments)).remaining == 1
        await pipe.execute("SCRIPT", "FLUSH", "SYNC")
        answers = await asyncio.gather(*(buckets.take(b"again", arguments) for _ in range(3)))
        assert sorted(answer.allowed for answer in answers) == [False, False, True]
    with pytest.raises(RedisGone):
        pipe.execute("PING")


async def test_a_server_that_refuses_the_script_counts_as_gone(redis_url: str):
    async with held(redis_url) as pipe:
        await pipe.execute("SET", "list", "not a number")
        with pytest.raises(RedisGone):
            await RedisBuckets(pipe).take(b"list", packed_arguments(Bucket(MICROS, 2)))


async def test_a_connection_that_ends_fails_every_waiting_caller_and_is_made_again(redis_url: str):
    async with Wire(redis_url).running() as wire, held(wire.url) as pipe:
        wire.stall()
        waiting = [pipe.execute("PING") for _ in range(3)]
        wire.cut()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RedisGone] * 3
        assert not pipe.ready
        wire.mend()
        await eventually(lambda: pipe.ready)
        assert await pipe.execute("PING") == b"PONG"
