"""A storage that goes silent without closing its connections: every wait ends, and work goes on as
soon as it answers again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.store import BlobStoreUnavailable, Piece
from tests.support.buckets import Buckets
from tests.support.road import Road

MIB = 1 << 20
DATA = bytes(20 * MIB)


async def keys(store: S3Store) -> list[str]:
    return [blob.key async for blob in store.list()]


OPERATIONS: dict[str, Callable[[S3Store], Awaitable[object]]] = {
    "put": lambda store: store.put("new", b"x", "text/plain"),
    "put a stream": lambda store: store.put_stream("new", stream(), "text/plain"),
    "read": lambda store: store.read("old", 0, 5),
    "head": lambda store: store.head("old"),
    "list": keys,
    "delete": lambda store: store.delete("new"),
    "join": lambda store: store.join("new", [Piece("old", len(DATA))], "text/plain"),
    "ping": lambda store: store.ping(),
}


async def stream() -> AsyncIterator[bytes]:
    for _ in range(20):
        yield DATA[:MIB]


@pytest.fixture
async def road(s3: Buckets) -> AsyncIterator[Road]:
    road = Road(s3.endpoint)
    await road.open()
    yield road
    await road.close()


@pytest.fixture
async def store(road: Road, s3: Buckets) -> AsyncIterator[S3Store]:
    s3.client().put_object(Bucket=s3.media, Key="old", Body=DATA)
    async with s3_client(
        road.url, s3.region, s3.access_key, s3.secret_key, answer_seconds=2
    ) as client:
        yield S3Store(client, s3.media)


async def all_given_up(work: Iterable[Awaitable[object]]) -> None:
    # A part of an upload may take ten seconds more than an answer.
    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert all(isinstance(each, BlobStoreUnavailable) for each in outcomes), outcomes


async def goes_on(road: Road, store: S3Store) -> None:
    """Connections that were open stay silent for ever; new ones take their place."""
    await road.close()
    road.unmute()
    await road.open()
    async with asyncio.timeout(60):
        assert await store.read("old") == DATA


async def test_requests_on_idle_connections_are_given_up(road: Road, store: S3Store) -> None:
    await asyncio.gather(*(store.ping() for _ in OPERATIONS))
    road.mute()
    await all_given_up(operation(store) for operation in OPERATIONS.values())
    await goes_on(road, store)


async def test_bodies_under_way_are_given_up(road: Road, store: S3Store) -> None:
    reading, sending = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async for _ in store.open("old"):
            reading.set()
            await sending.wait()
            road.mute()

    async def upload() -> AsyncIterator[bytes]:
        for number in range(20):
            if number == 10:
                sending.set()
                await reading.wait()
                road.mute()
            yield DATA[:MIB]

    await all_given_up((read(), store.put_stream("new", upload(), "text/plain")))
    await goes_on(road, store)
