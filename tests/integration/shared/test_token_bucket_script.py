"""The script in Redis decides as the function in Python does."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared.token_bucket import (
    MICROS,
    SCRIPT,
    Bucket,
    Decision,
    script_arguments,
    script_decision,
    take_all,
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def ask(
    redis: Redis, buckets: dict[str, Bucket], cost: int = 1
) -> tuple[Decision, list[int]]:
    """The script's decision, and what it left in Redis: 0 for a bucket without a key."""
    async with redis.pipeline(transaction=True) as at_once:
        at_once.eval(SCRIPT, len(buckets), *buckets, *script_arguments(buckets.values(), cost))
        at_once.mget([*buckets])
        reply, stored = await at_once.execute()
    return script_decision(reply), [int(tat or 0) for tat in stored]


@pytest.mark.parametrize(
    "asked", [[Bucket(9_000, 3)], [Bucket(9_000, 3), Bucket(20_000, 2), Bucket(4_000, 7)]]
)
async def test_the_script_decides_as_the_function_does(redis: Redis, asked: list[Bucket]) -> None:
    buckets = {f"bucket {number}": bucket for number, bucket in enumerate(asked)}
    costs = random.Random(1)
    compared = 0
    tats = [0] * len(asked)
    for _ in range(150):
        cost = costs.choice((-1, 1, 1, 1, 2, 3))
        decision, stored = await ask(redis, buckets, cost)
        if decision.full_after:
            # The reply says, to the microsecond, when the script ran.
            now = max(stored) - decision.full_after
            expected, after = take_all(asked, tats, now, cost)
            assert decision == expected
            # A bucket that is full again needs no key.
            assert [max(tat, now) for tat in stored] == after
            compared += 1
        tats = stored
        await asyncio.sleep(0.002)
    assert compared > 50


async def test_a_limit_that_was_made_shorter_is_shorter_at_once(redis: Redis) -> None:
    await ask(redis, {"x": Bucket(3600 * MICROS, 1)})
    refusal, _ = await ask(redis, {"x": Bucket(20_000, 1)})
    assert not refusal.allowed
    assert refusal.retry_after <= 20_000
    assert await redis.pttl("x") <= 21


async def test_a_full_bucket_leaves_no_key(redis: Redis) -> None:
    await ask(redis, {"x": Bucket(100 * MICROS, 2)})
    assert await redis.pttl("x") > 90_000
    await ask(redis, {"x": Bucket(100 * MICROS, 2)}, -1)
    assert not await redis.exists("x")
