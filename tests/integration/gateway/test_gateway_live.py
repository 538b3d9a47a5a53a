"""Running lives through the gateway: one request for all viewers, and what follows an owner."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.gateway.rig import (
    Clock,
    Peer,
    Request,
    Service,
    running_gateway,
    storage_settings,
)
from tests.support.buckets import Buckets
from tests.support.wait import eventually

VIDEO = "0190b7a8-2222-7000-8000-000000000001"
BASE = f"/media/public/{VIDEO}/live"
OTHER = "0190b7a8-2222-7000-8000-000000000002"


class Lives:
    """Answers as catalog, as live and as the replica that owns the session."""

    def __init__(self, service: Service) -> None:
        self.asked: Counter[str] = Counter()
        self.visibility = "public"
        self.owner: str | None = ""
        self.hot: dict[str, bytes] = {}
        self.plain: dict[str, bytes] = {}
        self.broken = False
        self.gated = "/hot/"
        self.gate = asyncio.Event()
        self.gate.set()
        service.handler = self.answer

    async def answer(self, request: Request, peer: Peer) -> None:
        target = request.target
        self.asked[target] += 1
        if target.startswith("/internal/media/"):
            found = self.visibility == "public"
            await peer.answer(200 if found else 404, {"visibility": self.visibility})
        elif target.endswith("/owner"):
            address = {"address": self.owner}
            await peer.answer(404 if self.owner is None else 200, address)
        elif "/hot/" in target:
            if self.gated in target:
                await self.gate.wait()
            if self.broken:
                raise ConnectionError
            await self.give(peer, self.hot.get(target.partition("/hot/")[2]))
        elif "/plain/" in target:
            await self.give(peer, self.plain.get(target.partition("/plain/")[2]))
        else:
            await peer.answer(404, {})

    async def give(self, peer: Peer, body: bytes | None) -> None:
        if body is None:
            await peer.answer(404, {})
            return
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n"
        await peer.say(head.encode() + body)


@pytest.fixture
def lives(service: Service) -> Lives:
    return Lives(service)


@pytest.fixture
async def client(
    service: Service, redis_url: str, s3: Buckets, lives: Lives
) -> AsyncIterator[httpx.AsyncClient]:
    storage = s3.client()
    storage.put_object(Bucket=s3.media, Key=f"{VIDEO}/live/1/top/0.m4s", Body=b"stored")
    storage.put_object(Bucket=s3.media, Key=f"{VIDEO}/live/vod.m3u8", Body=b"#EXTM3U\n")
    settings = storage_settings(s3)
    async with (
        running_gateway(service, redis_url, clock=Clock(), **settings) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as made,
    ):
        lives.owner = service.address
        yield made


async def test_many_viewers_are_one_request(client: httpx.AsyncClient, lives: Lives) -> None:
    lives.hot["top.m3u8?_HLS_msn=7&_HLS_part=2"] = b"#EXTM3U\nseven\n"
    lives.gate.clear()
    url = f"{BASE}/top.m3u8?_HLS_part=2&_HLS_msn=7&x=1"
    asking = [asyncio.create_task(client.get(url)) for _ in range(40)]
    hot = f"/internal/live/{VIDEO}/hot/top.m3u8?_HLS_msn=7&_HLS_part=2"
    await eventually(lambda: lives.asked[hot])
    asking[0].cancel()
    lives.gate.set()
    answers = await asyncio.gather(*asking[1:])
    assert {answer.text for answer in answers} == {"#EXTM3U\nseven\n"}
    assert answers[0].headers["cache-control"] == "public, max-age=1"
    assert answers[0].headers["content-type"] == "application/vnd.apple.mpegurl"
    assert lives.asked[hot] == 1
    assert lives.asked[f"/internal/live/{VIDEO}/owner"] == 1


async def test_a_part_is_loaded_once_and_kept(client: httpx.AsyncClient, lives: Lives) -> None:
    lives.hot["1/top/5.0.m4s"] = b"part" * 100_000
    for _ in range(3):
        answer = await client.get(f"{BASE}/1/top/5.0.m4s")
        assert answer.content == b"part" * 100_000
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"] == "video/iso.segment"
    assert lives.asked[f"/internal/live/{VIDEO}/hot/1/top/5.0.m4s"] == 1


@pytest.mark.parametrize("name", ["1/top/101.{}.m4s", "1/top/{}.m4s", "top.m3u8?_HLS_msn={}"])
async def test_what_one_live_is_asked_for_is_not_before_another_live(
    client: httpx.AsyncClient, lives: Lives, name: str
) -> None:
    """However many parts that are not there yet, segments or reloads are waited for."""
    lives.hot["1/top/7.m4s"] = b"segment"
    lives.gated = f"{VIDEO}/hot/{name.partition('{')[0]}"
    lives.gate.clear()
    asking = [asyncio.create_task(client.get(f"{BASE}/{name.format(n)}")) for n in range(40)]
    await eventually(lambda: sum(lives.gated in target for target in lives.asked) >= 8)
    answer = await client.get(f"/media/public/{OTHER}/live/1/top/7.m4s")
    assert answer.content == b"segment"
    assert not any(task.done() for task in asking)
    lives.gate.set()
    await asyncio.gather(*asking)


async def test_parts_that_are_waited_for_keep_no_segment_of_their_live(
    client: httpx.AsyncClient, lives: Lives
) -> None:
    lives.hot["1/top/7.m4s"] = b"segment"
    lives.gated = "/hot/1/top/101."
    lives.gate.clear()
    parts = [f"{BASE}/1/top/101.{number}.m4s" for number in range(40)]
    asking = [asyncio.create_task(client.get(part)) for part in parts]
    await eventually(lambda: sum(lives.gated in target for target in lives.asked) == 40)
    assert (await client.get(f"{BASE}/1/top/7.m4s")).content == b"segment"
    lives.gate.set()
    await asyncio.gather(*asking)


@pytest.mark.parametrize(
    ("queries", "asked"),
    [
        (
            (
                "_HLS_msn=7&_HLS_part=2",
                "_HLS_part=02&_HLS_msn=007",
                "_HLS_msn=7&_HLS_part=2&_HLS_msn=8",
            ),
            "?_HLS_msn=7&_HLS_part=2",
        ),
        (("_HLS_skip=YES", "_HLS_skip=v2", "_HLS_skip=YES&_HLS_skip=v2"), "?_HLS_skip=YES"),
        (("", "_HLS_part=2", "_HLS_part=3", "_HLS_msn=x", "_HLS_skip=no"), ""),
    ],
)
async def test_a_reload_is_one_request_however_it_is_written(
    client: httpx.AsyncClient, lives: Lives, queries: tuple[str, ...], asked: str
) -> None:
    lives.hot[f"top.m3u8{asked}"] = b"#EXTM3U\n"
    for query in queries:
        assert (await client.get(f"{BASE}/top.m3u8?{query}")).text == "#EXTM3U\n"
    hot = Counter({target: count for target, count in lives.asked.items() if "/hot/" in target})
    assert hot == {f"/internal/live/{VIDEO}/hot/top.m3u8{asked}": 1}


@pytest.mark.parametrize("name", ["1/top/07.m4s", "1/top/7.00.m4s", "1/top/07.0.m4s"])
async def test_a_segment_has_one_name(client: httpx.AsyncClient, lives: Lives, name: str) -> None:
    assert (await client.get(f"{BASE}/{name}")).status_code == 404
    assert not any("/hot/" in target for target in lives.asked)


async def test_without_an_owner_the_log_and_the_bucket_answer(
    client: httpx.AsyncClient, lives: Lives
) -> None:
    lives.owner = None
    lives.plain["top.m3u8"] = b"#EXTM3U\nplain\n"
    assert (await client.get(f"{BASE}/top.m3u8?_HLS_msn=3")).text == "#EXTM3U\nplain\n"
    assert (await client.get(f"{BASE}/1/top/0.m4s")).content == b"stored"
    assert (await client.get(f"{BASE}/1/top/1.m4s")).status_code == 404
    assert (await client.get(f"{BASE}/480.m3u8")).status_code == 404


async def test_an_owner_that_breaks_off_is_asked_for_anew(
    client: httpx.AsyncClient, lives: Lives
) -> None:
    lives.plain["top.m3u8"] = b"#EXTM3U\nplain\n"
    lives.broken = True
    assert (await client.get(f"{BASE}/top.m3u8")).text == "#EXTM3U\nplain\n"
    assert (await client.get(f"{BASE}/1/top/0.m4s")).content == b"stored"
    lives.broken = False
    lives.hot["top.m3u8?_HLS_msn=1"] = b"#EXTM3U\nhot\n"
    assert (await client.get(f"{BASE}/top.m3u8?_HLS_msn=1")).text == "#EXTM3U\nhot\n"


async def test_the_manifest_comes_from_the_owner_and_dvr_from_the_log(
    client: httpx.AsyncClient, lives: Lives
) -> None:
    lives.hot["live.mpd"] = b"<MPD/>"
    lives.plain["dvr-top.m3u8?_HLS_skip=YES"] = b"#EXTM3U\nback\n"
    manifest = await client.get(f"{BASE}/live.mpd")
    assert manifest.content == b"<MPD/>"
    assert manifest.headers["content-type"] == "application/dash+xml"
    assert manifest.headers["cache-control"] == "public, max-age=1"
    back = await client.get(f"{BASE}/dvr-top.m3u8?_HLS_skip=YES&x=1")
    assert back.text == "#EXTM3U\nback\n"
    assert not [target for target in lives.asked if "/hot/dvr" in target]


async def test_a_recording_comes_from_the_bucket(client: httpx.AsyncClient, lives: Lives) -> None:
    assert (await client.get(f"{BASE}/vod.m3u8")).text == "#EXTM3U\n"
    assert lives.asked[f"/internal/live/{VIDEO}/owner"] == 0


async def test_a_hidden_live_is_not_asked_for(client: httpx.AsyncClient, lives: Lives) -> None:
    lives.visibility = "private"
    lives.hot["top.m3u8"] = b"#EXTM3U\n"
    assert (await client.get(f"{BASE}/top.m3u8")).status_code == 404
    assert [target for target in lives.asked if "/internal/live/" in target] == []


async def test_requests_of_a_publisher_go_to_the_replica_that_has_its_connection(
    service: Service, client: httpx.AsyncClient, lives: Lives
) -> None:
    path = f"/api/v1/live/whip/{VIDEO}.{'a' * 32}"

    async def replica(request: Request, peer: Peer) -> None:
        body = b"".join([part async for part in peer.body(request)])
        await peer.answer(200, {"method": request.method, "body": body.decode()})

    owner = Service()
    owner.handler = replica
    async with owner.running():
        lives.owner = None
        # Nobody has it: any replica says so.
        assert (await client.delete(path)).status_code == 404
        assert lives.asked[path] == 1
        # The answer of a moment ago is not believed: the publisher has just connected.
        lives.owner = owner.address
        answer = await client.patch(path, content="a=mid:0")
        assert answer.json() == {"method": "PATCH", "body": "a=mid:0"}
        assert (await client.delete(path)).json()["method"] == "DELETE"
        assert [request.target for request in owner.requests] == [path, path]
    assert lives.asked[path] == 1


async def test_a_name_that_is_no_connection_asks_nobody_for_its_owner(
    client: httpx.AsyncClient, lives: Lives
) -> None:
    for name in ("x", f"{VIDEO}x.a", "0.a"):
        assert (await client.delete(f"/api/v1/live/whip/{name}")).status_code == 404
    assert not [target for target in lives.asked if target.startswith("/internal/")]
