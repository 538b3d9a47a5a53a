"""Looking into the parts from outside, however often they go away meanwhile."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg

from deploy.local.parts import Urls
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.stack import RunningStack
from tests.support.threads import run

T = TypeVar("T")

_PATIENCE = 90.0


def rows(stack: RunningStack, query: str, *arguments: Any) -> list[Any]:
    """The answer to a query, as the owner of everything."""

    async def ask() -> list[Any]:
        async with asyncio.timeout(15):
            connection = await asyncpg.connect(stack.stack.urls.postgres, timeout=5)
            try:
                return await connection.fetch(query, *arguments)
            finally:
                connection.terminate()

    return patiently(lambda: run(ask))


def patiently(fn: Callable[[], T]) -> T:
    """What ``fn`` returns, once it does not raise any more."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return fn()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def is_of_live(key: str) -> bool:
    """Whether an object is the recording of a live, which nothing can make again."""
    return key.partition("/")[2].startswith("live/")


def broker_of(stack: RunningStack) -> Broker:
    """The broker's management API."""
    urls: Urls = stack.stack.urls
    return Broker(urls.amqp, urls.rabbitmq_api, "/")


def buckets_of(stack: RunningStack) -> Buckets:
    """The S3 server."""
    own, urls = stack.stack, stack.stack.urls
    return Buckets(
        endpoint=urls.s3_endpoint,
        region=urls.s3_region,
        access_key=urls.s3_access_key,
        secret_key=urls.s3_secret_key,
        sources=own.sources_bucket,
        media=own.media_bucket,
    )
