"""Readers that ask for much and read nothing, or next to nothing."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.gateway.limits import connections
from services.gateway.request import exchange
from services.gateway.request.routes import Open, Target
from services.gateway.upstream.upstreams import Upstream
from shared.download_index import DownloadIndex, Run, write_index
from tests.integration.gateway.rig import (
    Peer,
    Request,
    Rig,
    Service,
    running_gateway,
    storage_settings,
)
from tests.integration.gateway.test_gateway_live import BASE, Lives
from tests.integration.gateway.wire import TAGS
from tests.security.fair.attackers import Client, clients, others
from tests.support.buckets import Buckets
from tests.support.wait import eventually

VIDEO = "0190b7a8-1111-7000-8000-000000000001"
PLAYLIST = f"/media/public/{VIDEO}/master.m3u8"
SEGMENT = f"/media/public/{VIDEO}/v/720p/1.m4s"
MIB = 1024 * 1024
# More than the system keeps for a connection: of less, nothing is left to wait for.
CONTENT = random.Random(1).randbytes(24 * MIB)
DOWNLOAD = f"/api/v1/videos/{VIDEO}/download"
# Its bytes are in several runs of the segment.
INDEX = DownloadIndex(
    (f"{VIDEO}/v/720p/1.m4s",), (Run(0, 12 * MIB, 12 * MIB), Run(0, 0, 9), Run(0, 9, 12 * MIB))
)
FILE = b"head" + CONTENT[12 * MIB :] + CONTENT[: 9 + 12 * MIB]
PLACE = {
    "video_id": VIDEO,
    "index": f"{VIDEO}/index.bin",
    "index_bytes": 4 + len(write_index(INDEX)),
    "head": 4,
    "size": len(FILE),
    "etag": "0123456789abcdef",
    "disposition": "attachment; filename=a.mp4",
}


@pytest.fixture
def storage(s3: Buckets) -> dict[str, str]:
    """A long segment and its playlist, and how to reach them."""
    client = s3.client()
    for name, body in (
        ("master.m3u8", b"#EXTM3U\n"),
        ("v/720p/1.m4s", CONTENT),
        ("index.bin", b"head" + write_index(INDEX)),
    ):
        client.put_object(Bucket=s3.media, Key=f"{VIDEO}/{name}", Body=body)
    client.close()
    return storage_settings(s3)


@asynccontextmanager
async def gateway(
    service: Service, redis_url: str, storage: dict[str, str], **more: int
) -> AsyncIterator[Rig]:
    async def catalog(request: Request, peer: Peer) -> None:
        place = {"success": True, "data": PLACE}
        answer = place if request.target == DOWNLOAD else {"visibility": "public"}
        await peer.answer(200, answer)

    service.handler = catalog
    changes: dict[str, Any] = {**storage, **more}
    async with running_gateway(service, redis_url, **changes) as rig:
        yield rig


def media(rig: Rig) -> Upstream:
    return rig.app._handlers[Target.MEDIA]._storage._storage  # type: ignore[attr-defined]


@asynccontextmanager
async def stalled(
    port: int, count: int, path: str = SEGMENT, **headers: str
) -> AsyncIterator[list[Client]]:
    """Connections that have asked for ``path`` and read nothing but the head."""
    async with clients(port, count, buffer=4096) as found:
        for client in found:
            await client.ask(path, **headers)
            assert await client.status() in (200, 206)
        yield found


async def test_a_stalled_reader_holds_no_connection_to_storage_and_loses_nothing(
    service: Service, redis_url: str, storage: dict[str, str]
):
    async with gateway(service, redis_url, storage) as rig, stalled(rig.port, 20) as found:
        await eventually(lambda: not media(rig)._pool.busy)
        assert await others(rig.port, PLAYLIST) < 5
        for client in found[:2]:
            async with asyncio.timeout(60):
                assert await client.reader.readexactly(len(CONTENT)) == CONTENT


async def test_a_stalled_download_holds_no_connection_and_goes_on_through_all_objects(
    service: Service, redis_url: str, storage: dict[str, str]
):
    async with gateway(service, redis_url, storage) as rig, stalled(rig.port, 8, DOWNLOAD) as found:
        await eventually(lambda: not media(rig)._pool.busy)
        assert await others(rig.port, PLAYLIST) < 5
        async with asyncio.timeout(60):
            assert await found[0].reader.readexactly(len(FILE)) == FILE


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=1000-20000000", 1000, 20_000_000),
        ("bytes=-20000000", 24 * MIB - 20_000_000, 24 * MIB - 1),
    ],
)
async def test_a_range_goes_on_where_its_reader_stopped(
    service: Service,
    redis_url: str,
    storage: dict[str, str],
    asked: str,
    first: int,
    last: int,
):
    async with (
        gateway(service, redis_url, storage) as rig,
        stalled(rig.port, 1, range=asked) as (client,),
    ):
        await eventually(lambda: not media(rig)._pool.busy)
        async with asyncio.timeout(60):
            body = await client.reader.readexactly(last + 1 - first)
        assert body == CONTENT[first : last + 1]


async def test_who_stalls_gives_way_to_others_at_its_address(
    service: Service, redis_url: str, storage: dict[str, str]
):
    async with (
        gateway(service, redis_url, storage, max_media_per_address=3) as rig,
        stalled(rig.port, 3) as found,
    ):
        # Until it is known that they have stalled, there is no place.
        more = await Client.connect(rig.port)
        await more.ask(PLAYLIST)
        assert await more.status() == 429
        more.close()
        opened = rig.app._open_requests
        await eventually(lambda: not media(rig)._pool.busy)
        again = await Client.connect(rig.port)
        await again.ask(PLAYLIST)
        assert await again.status() == 200
        again.close()
        await eventually(lambda: opened._open[Open.MEDIA] == 2)
        # The oldest was cut, and does not get to the end.
        assert len(await found[0].closed()) < 24 * MIB


async def test_a_reader_that_never_reads_is_hung_up_on(
    service: Service, redis_url: str, storage: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exchange, "STALL_SECONDS", 1.5)
    async with gateway(service, redis_url, storage) as rig, stalled(rig.port, 5):
        opened = rig.app._open_requests
        assert opened._open[Open.MEDIA] == 5
        await eventually(lambda: opened._open[Open.MEDIA] == 0)
        assert not opened._by_address
        # The server keeps none of their connections, nor what it had for them.
        await eventually(lambda: not any(rig.app._connections._known.values()))


async def test_answers_of_services_that_nobody_reads_free_the_service(
    service: Service, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    async def handler(request: Request, peer: Peer) -> None:
        if request.target != TAGS:
            await peer.answer(200, b"x" * (24 * MIB))
        else:
            await peer.answer(200, {})

    service.handler = handler
    monkeypatch.setattr(exchange, "STALL_SECONDS", 1.5)
    async with (
        running_gateway(service, redis_url) as rig,
        stalled(rig.port, 5, "/api/v1/streaming/latest"),
    ):
        assert await others(rig.port) < 5
        await eventually(lambda: rig.app._open_requests._open[Open.REQUEST] == 0)
        pool = rig.app._handlers[Target.CATALOG]._upstreams[Target.CATALOG]._pool  # type: ignore[attr-defined]
        await eventually(lambda: not pool.busy)


async def test_who_asks_for_many_parts_of_a_live_and_reads_none_is_hung_up_on(
    service: Service, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    """Parts are given to the server whole: it holds few for a reader, and not for long."""
    monkeypatch.setattr(connections, "STALL_SECONDS", 1.5)
    lives = Lives(service)
    lives.owner = service.address
    lives.hot["1/top/5.0.m4s"] = CONTENT[: exchange.WHOLE]
    async with running_gateway(service, redis_url) as rig:
        # From its first look on, the gateway ends connections whose clients take nothing.
        await eventually(lambda: rig.app._connections._known)
        (path, asked) = f"{BASE}/1/top/5.0.m4s", 400
        async with clients(rig.port, 5, buffer=4096) as found:
            for client in found:
                client.writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * asked)
            await eventually(lambda: answered(rig) >= 5)
            # Nothing is left of them here, neither connections nor what was to be sent.
            await eventually(lambda: not any(rig.app._connections._known.values()))
        # Nearly all that was answered is what the system keeps for connections.
        assert answered(rig) * exchange.WHOLE < 5 * 24 * MIB
        assert not rig.app._open_requests._by_address
        assert await others(rig.port, path) < 5


def answered(rig: Rig) -> int:
    series = rig.app._observer._metrics._series  # type: ignore[union-attr]
    return sum(durations.count for durations in series.values())
