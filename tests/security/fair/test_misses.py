"""Names without end of what is not there: whoever makes them up keeps no service and no storage
busy, and nobody but them is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.request.routes import Open
from shared.contracts import new_id
from tests.integration.gateway.rig import (
    Clock,
    Peer,
    Request,
    Rig,
    Service,
    running_gateway,
    storage_settings,
)
from tests.support.buckets import Buckets
from tests.support.wait import eventually

VIDEO = "0190b7a8-3333-7000-8000-000000000001"
SHOWN = f"/media/public/{VIDEO}/master.m3u8"
PART = f"/media/public/{VIDEO}/live/1/top/7.2.m4s"
BURST = 200
CROWD = 90


class Services:
    """One public video, whose live runs at this service; nothing else is there."""

    def __init__(self, service: Service) -> None:
        self._owner = {"address": service.address}
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()
        service.handler = self.answer

    async def answer(self, request: Request, peer: Peer) -> None:
        if request.target == f"/internal/media/{VIDEO}":
            await peer.answer(200, {"visibility": "public"})
        elif request.target == f"/internal/live/{VIDEO}/owner":
            await peer.answer(200, self._owner)
        else:
            self.asked += 1
            await self.go.wait()
            await peer.answer(404, {})


@pytest.fixture
def services(service: Service) -> Services:
    return Services(service)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gateway(
    service: Service,
    redis_url: str,
    s3: Buckets,
    clock: Clock,
    services: Services,
    tmp_path: Path,
) -> AsyncIterator[Rig]:
    assert services
    (tmp_path / "index.html").write_text("<html><head></head></html>")
    (tmp_path / "embed.html").write_text("<html><head></head></html>")
    s3.client().put_object(Bucket=s3.media, Key=f"{VIDEO}/master.m3u8", Body=b"#EXTM3U\n")
    settings = {"trusted_proxies": "1", "web_root": tmp_path, **storage_settings(s3)}
    async with running_gateway(service, redis_url, clock=clock, **settings) as rig:
        yield rig


@pytest.fixture
async def viewers(gateway: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60) as client:
        yield client


def at(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


@pytest.mark.parametrize(
    "name",
    [
        "/media/public/{}/master.m3u8",
        f"/media/public/{VIDEO}/{{}}.mp4",
        f"/media/public/{VIDEO}/live/1/top/{{number}}.m4s",
        f"/media/public/{VIDEO}/live/1/top/{{number}}.0.m4s",
        f"/media/public/{VIDEO}/live/dvr-{{number}}.m3u8",
        "/watch/{}",
        "/embed/{}",
        "/u/{}",
    ],
)
async def test_made_up_names_are_refused_to_who_makes_them_up_alone(
    viewers: httpx.AsyncClient, services: Services, clock: Clock, name: str
) -> None:
    attacker, other = at("198.51.100.1"), at("198.51.100.2")
    statuses: list[int] = []
    for number in range(BURST + 60):
        made_up = name.format(new_id(), number=number)
        statuses.append((await viewers.get(made_up, headers=attacker)).status_code)
    assert statuses == [404] * BURST + [429] * 60
    # Two questions for a page at most: the video, and whether it was deleted.
    assert services.asked <= 2 * BURST
    assert (await viewers.get(SHOWN, headers=attacker)).status_code == 429
    assert (await viewers.get(SHOWN, headers=other)).status_code == 200
    clock.now += 1
    assert (await viewers.get(SHOWN, headers=attacker)).status_code == 200


async def test_what_is_there_may_be_asked_for_as_often_as_before(
    viewers: httpx.AsyncClient,
) -> None:
    viewer = at("198.51.100.3")
    answers = [await viewers.get(SHOWN, headers=viewer) for _ in range(BURST + 60)]
    assert {answer.status_code for answer in answers} == {200}


async def test_a_crowd_that_asks_for_the_same_part_misses_it_once(
    gateway: Rig, viewers: httpx.AsyncClient, services: Services
) -> None:
    """Viewers behind one address, of a live whose segment ended before the announced part."""
    crowd = at("198.51.100.4")
    services.go.clear()
    for _ in range(3):
        asking = [asyncio.create_task(viewers.get(PART, headers=crowd)) for _ in range(CROWD)]
        await eventually(lambda: gateway.app._open_requests._open[Open.MEDIA] == CROWD)
        services.go.set()
        answers = await asyncio.gather(*asking)
        services.go.clear()
        assert {answer.status_code for answer in answers} == {404}
    assert (await viewers.get(SHOWN, headers=crowd)).status_code == 200
