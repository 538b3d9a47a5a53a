"""Guessing is slowed down; whoever knows the password gets in."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from services.auth.settings import AuthSettings
from services.auth.throttle import LoginThrottle
from shared.errors import TooManyRequests
from shared.settings import Secret
from tests.support.auth_stage import Stage, data, error, stage
from tests.support.databases import Database
from tests.support.wait import eventually

ATTACKER, OWNER, NEW_DEVICE = "198.51.100.7", "192.0.2.1", "192.0.2.99"


async def test_guesses_run_out(auth: Stage) -> None:
    await auth.register("alice")
    for _ in range(auth.config.login_burst):
        error(await auth.login(password="wrong", client=ATTACKER), 401)
    answer = await auth.login(password="wrong", client=ATTACKER)
    assert error(answer, 429)["type"] == "too_many_requests"
    assert 0 < int(answer.headers["retry-after"]) <= auth.config.login_refill_seconds


async def test_unknown_names_are_throttled_alike(auth: Stage) -> None:
    for _ in range(auth.config.login_burst):
        error(await auth.login("nobody", "wrong", ATTACKER), 401)
    error(await auth.login("NOBODY", "wrong", ATTACKER), 429)


async def test_success_costs_nothing(auth: Stage) -> None:
    await auth.register("alice")
    error(await auth.login(password="a slip"), 401)
    for _ in range(auth.config.login_burst * 3):
        data(await auth.login())


async def test_an_attacker_cannot_lock_the_owner_out(auth: Stage) -> None:
    await auth.register("alice")
    data(await auth.login(client=OWNER))
    for n in range(auth.config.login_burst * 3):
        await auth.login(password="wrong", client=f"{ATTACKER}{n}")
    error(await auth.login(client=NEW_DEVICE), 429)
    data(await auth.login(client=OWNER))


async def test_trying_one_password_on_many_accounts_runs_out(auth: Stage) -> None:
    statuses = [
        (await auth.login(f"user-{n}", "corduroy", ATTACKER)).status_code
        for n in range(auth.config.login_burst * 10 + 5)
    ]
    assert statuses.count(401) == auth.config.login_burst * 10
    assert set(statuses[-5:]) == {429}


async def test_guessing_the_current_password_runs_out_too(auth: Stage) -> None:
    token = (await auth.register("alice"))["access_token"]
    body = {"current_password": "wrong", "new_password": "another-9-lamp"}
    answers = [
        await auth.call("PATCH", "/users/password", body, token=token)
        for _ in range(auth.config.login_burst + 1)
    ]
    assert [answer.status_code for answer in answers] == [400] * auth.config.login_burst + [429]


async def test_without_redis_guessing_is_no_easier(
    config: AuthSettings, database: Database
) -> None:
    alone = replace(config, redis_url=Secret("redis://127.0.0.1:1/0"))
    async with stage(alone, database.admin_url) as auth:
        await auth.register("alice")
        data(await auth.login())
        for _ in range(config.login_burst):
            error(await auth.login(password="wrong", client=ATTACKER), 401)
        error(await auth.login(password="wrong", client=ATTACKER), 429)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def test_a_bucket_refills_and_replicas_share_it(redis: Redis) -> None:
    one, two = (LoginThrottle(redis, burst=2, refill=0.2) for _ in range(2))
    await one.attempt("c", "a")
    await two.attempt("c", "a")
    with pytest.raises(TooManyRequests) as refused:
        await one.attempt("c", "a")
    assert 0 < refused.value.retry_after <= 0.2

    async def again() -> bool:
        try:
            await two.attempt("c", "a")
        except TooManyRequests:
            return False
        return True

    assert await eventually(again)


async def test_keys_expire_and_name_nobody(redis: Redis) -> None:
    throttle = LoginThrottle(redis, burst=2, refill=5)
    await throttle.attempt("192.0.2.1", "alice")
    await throttle.succeeded("192.0.2.1", "alice")
    keys = [key.decode() for key in await redis.keys("*")]
    assert keys
    for key in keys:
        assert await redis.pttl(key) > 0
        assert "alice" not in key
        assert "192.0.2" not in key
