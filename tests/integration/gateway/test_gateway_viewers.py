"""Viewers of a live: counted by any number of gateways, each once, whatever they say they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.limits.redis_pipe import RedisPipe
from services.gateway.upstream.live_viewers import PER_ADDRESS, LiveViewers
from shared.http import grants
from shared.live_viewers.counts import ViewerCounts
from tests.integration.gateway.rig import SECRET, Clock, Service, Wire, running_gateway
from tests.integration.gateway.test_gateway_live import BASE, VIDEO, Lives
from tests.support.wait import eventually

PLAYLIST = f"{BASE}/top.m3u8"


class Gateways:
    """Two gateways behind one proxy, and what Redis has counted."""

    def __init__(self, clients: list[httpx.AsyncClient], redis: Redis) -> None:
        self.clients = clients
        self.redis = redis
        self.counts = ViewerCounts(redis)

    async def watch(
        self, address: str, agent: str = "player", gateway: int = 0, url: str = PLAYLIST
    ) -> httpx.Response:
        headers = {"x-forwarded-for": address, "user-agent": agent}
        return await self.clients[gateway].get(url, headers=headers)

    async def now(self) -> int:
        return (await self.counts.now([VIDEO]))[VIDEO]

    async def settled(self, expected: int) -> None:
        async def reached() -> bool:
            return await self.now() == expected

        await eventually(reached)


@pytest.fixture
def lives(service: Service) -> Lives:
    found = Lives(service)
    found.hot["top.m3u8"] = b"#EXTM3U\n"
    found.hot["1/top/5.0.m4s"] = b"part"
    return found


@pytest.fixture
async def gateways(service: Service, redis_url: str, lives: Lives) -> AsyncIterator[Gateways]:
    lives.owner = service.address
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        clients: list[httpx.AsyncClient] = []
        for _ in range(2):
            rig = await stack.enter_async_context(
                running_gateway(service, redis_url, clock=Clock(), trusted_proxies=1)
            )
            client = httpx.AsyncClient(base_url=rig.url, trust_env=False)
            clients.append(await stack.enter_async_context(client))
        yield Gateways(clients, redis)


async def test_a_viewer_is_one_over_two_gateways(gateways: Gateways) -> None:
    for at in range(40):
        for gateway in (0, 1):
            answer = await gateways.watch(f"203.0.113.{at}", gateway=gateway)
            assert answer.status_code == 200
    await gateways.settled(40)
    assert await gateways.counts.total([VIDEO]) == {VIDEO: 40}


async def test_people_behind_one_address_are_several(gateways: Gateways) -> None:
    await gateways.watch("203.0.113.1", "firefox")
    await gateways.watch("203.0.113.1", "chrome")
    await gateways.watch("203.0.113.1", "chrome", gateway=1)
    await gateways.settled(2)


async def test_forged_headers_make_nobody_a_crowd(gateways: Gateways) -> None:
    for at in range(400):
        forged = f"198.51.100.{at % 250}, 203.0.113.1"
        await gateways.watch(forged, f"player {at}", gateway=at % 2)
    # An IPv6 caller has a whole /64.
    for at in range(200):
        await gateways.watch(f"2001:db8::{at:x}", f"player {at}", gateway=at % 2)
    await gateways.watch("203.0.113.2")
    await gateways.settled(2 * PER_ADDRESS + 1)


async def test_only_playlists_that_are_there_count(gateways: Gateways, lives: Lives) -> None:
    await gateways.watch("203.0.113.1", url=f"{BASE}/1/top/5.0.m4s")
    await gateways.watch("203.0.113.2", url=f"{BASE}/240.m3u8")
    other = PLAYLIST.replace(VIDEO, VIDEO[:-1] + "2")
    lives.visibility = "private"
    await gateways.watch("203.0.113.3", url=other)
    lives.visibility = "public"
    await gateways.watch("203.0.113.4")
    await gateways.settled(1)
    assert [key async for key in gateways.redis.scan_iter("live:*000002*")] == []


async def test_a_grant_is_one_viewer_per_address(gateways: Gateways) -> None:
    token = grants.grant(SECRET, VIDEO, "session", 4_000_000_000)
    url = PLAYLIST.replace("/public/", f"/{token}/")
    for agent in ("a", "b", "c"):
        assert (await gateways.watch("203.0.113.1", agent, url=url)).status_code == 200
    await gateways.settled(1)


async def test_redis_is_told_no_address_no_program_and_no_grant(gateways: Gateways) -> None:
    told: list[str] = []
    token = grants.grant(SECRET, VIDEO, "session", 4_000_000_000)
    async with gateways.redis.monitor() as monitor:
        await gateways.watch("203.0.113.77", "secret-player")
        await gateways.watch(
            "203.0.113.77", "other", url=PLAYLIST.replace("/public/", f"/{token}/")
        )
        async with asyncio.timeout(60):
            while sum("PFADD" in line for line in told) < 2:
                told.append((await monitor.next_command())["command"])
    about = [line for line in told if "live:viewers" in line]
    assert about
    for line in about:
        for secret in ("203.0.113.77", "secret-player", token, "session"):
            assert secret not in line
    for key in [key async for key in gateways.redis.scan_iter("live:*")]:
        assert 0 < await gateways.redis.ttl(key) <= 2 * 86_400


async def test_without_redis_lives_play_and_count_again_later(
    service: Service, redis_url: str, lives: Lives
) -> None:
    lives.owner = service.address
    wire = Wire(redis_url)
    async with (
        wire.running(),
        running_gateway(service, wire.url, clock=Clock()) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        Redis.from_url(redis_url) as redis,
    ):
        counts = ViewerCounts(redis)
        wire.cut()
        assert (await client.get(PLAYLIST)).status_code == 200
        away = ViewerCounts(Redis(port=1, socket_connect_timeout=0.2))
        assert await away.now([VIDEO]) == {}
        assert await ViewerCounts(None).now([VIDEO]) == {}
        wire.mend()

        async def counted() -> bool:
            assert (await client.get(PLAYLIST)).status_code == 200
            return await counts.now([VIDEO]) == {VIDEO: 1}

        await eventually(counted, 30)


async def test_who_has_left_is_not_counted_any_more(redis_url: str) -> None:
    """At times of our own: a viewer is there for the present window and the next."""
    now = 1_700_000_000.0
    sent: list[tuple[object, ...]] = []

    class Recorded(RedisPipe):
        def execute(self, *command: bytes | str | int) -> "asyncio.Future[object]":
            sent.append(command)
            done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            done.set_result(1)
            return done

    viewers = LiveViewers(Recorded(redis_url), SECRET, lambda: now)
    async with Redis.from_url(redis_url) as redis:

        async def deliver() -> None:
            await viewers.flush()
            for command in sent:
                await redis.execute_command(*command)
            sent.clear()

        counts = ViewerCounts(redis, lambda: now)
        viewers.saw(VIDEO, "a", b"x")
        viewers.saw(VIDEO, "b", b"x")
        await deliver()
        viewers.saw(VIDEO, "a", b"x")
        await deliver()
        assert await counts.now([VIDEO]) == {VIDEO: 2}
        now += 15
        await viewers.flush()
        viewers.saw(VIDEO, "a", b"x")
        await deliver()
        assert await counts.now([VIDEO]) == {VIDEO: 2}
        now += 15
        assert await counts.now([VIDEO]) == {VIDEO: 1}
        now += 15
        assert await counts.now([VIDEO]) == {VIDEO: 0}
        assert await counts.total([VIDEO]) == {VIDEO: 2}
        # The next day, the same person has another name.
        now += 86_400
        await viewers.flush()
        viewers.saw(VIDEO, "a", b"x")
        await deliver()
        assert await counts.total([VIDEO]) == {VIDEO: 3}
