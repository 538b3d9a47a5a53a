"""Attacks on live streams, while somebody else is live."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from deploy.local.environments import rtmp_url
from tests.attack.cheap_requests import counted, together
from tests.attack.crowds import Crowd, crowd, request
from tests.attack.scene import Scene, client, local_address, register
from tests.e2e.people import until
from tests.support.publishing import publishing
from tests.support.rtmp_bytes import HANDSHAKE, publish

_SECONDS = 600
_OFFER_BYTES = 1 << 20


class Live(Struct, frozen=True):
    """Somebody's running live: its video, and the playlist of its best picture."""

    video_id: str
    playlist: str
    goes_on: Callable[[], str]


@contextmanager
def _live(scene: Scene) -> Iterator[Live]:
    """Somebody is live; ``goes_on`` says whether it is so, and whether there is more to see."""
    with client(scene.url, register(scene.url)) as owner:
        made = owner.post("/api/v1/live/streams", json={"title": "A race"}).json()["data"]
        address = f"{rtmp_url(scene.stack.stack.ports)}/{made['stream_key']}"
        with publishing(address, _SECONDS) as program:
            path = f"/api/v1/live/streams/{made['id']}"
            video_id = until(lambda: owner.get(path).json()["data"]["video_id"])

            def shown() -> str:
                answer = owner.get(f"/api/v1/streaming/id/{video_id}")
                return answer.json()["data"]["video"] if answer.is_success else ""

            multivariant = httpx.URL(until(shown))
            lines = owner.get(multivariant).text.splitlines()
            playlist = str(
                multivariant.join(next(line for line in lines if line and line[0] != "#"))
            )
            before = _newest(owner, playlist)

            def goes_on() -> str:
                until(lambda: _newest(owner, playlist) > before)
                ended = program.poll() is not None
                return "the live has ended" if ended else "the live goes on"

            try:
                yield Live(video_id, playlist, goes_on)
            finally:
                owner.post(f"{path}/complete")


def _newest(owner: httpx.Client, playlist: str) -> int:
    """The number after the newest segment."""
    answer = owner.get(playlist)
    answer.raise_for_status()
    lines = answer.text.splitlines()
    first = next(line for line in lines if line.startswith("#EXT-X-MEDIA-SEQUENCE:"))
    return int(first.partition(":")[2]) + sum(line.startswith("#EXTINF") for line in lines)


def _publishers(scene: Scene, all_of_them: Crowd, source: str, asks: list[bytes]) -> None:
    """Connections to the port of publishers, which read what they are answered."""
    where = urlsplit(rtmp_url(scene.stack.stack.ports))
    address = where.hostname or "", where.port or 0

    async def read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        all_of_them.answers.append("connection closed")

    all_of_them.grow([all_of_them.member(address, source, ask, read) for ask in asks])


@contextmanager
def guessed_keys(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Publishers from one address, each with a stream key that it has made up."""
    with _live(scene) as live, crowd() as all_of_them:
        guesses = [publish(f"live_{secrets.token_hex(20)}") for _ in range(count)]
        _publishers(scene, all_of_them, local_address(), guesses)
        yield lambda: f"{live.goes_on()}; {len(all_of_them.answers)} answered"


@contextmanager
def silent_publishers(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Connections that greet and publish nothing, of some forty addresses."""
    with _live(scene) as live, crowd() as all_of_them:
        for _ in range(max(1, count // 50)):
            _publishers(scene, all_of_them, local_address(), [HANDSHAKE] * 50)
        yield lambda: f"{live.goes_on()}; {count} connections"


@contextmanager
def held_reloads(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Playlists of a live that are asked for before they are there, from one address."""
    with _live(scene) as live, crowd() as all_of_them:
        with client(scene.url) as anybody:
            coming = _newest(anybody, live.playlist) + 1
        path = f"{httpx.URL(live.playlist).raw_path.decode()}?_HLS_msn={coming}"
        ask = request("GET", path, scene, None)
        source = local_address()
        all_of_them.grow(
            [all_of_them.member(scene.address, source, ask, all_of_them.read) for _ in range(count)]
        )
        yield lambda: f"{live.goes_on()}; {len(all_of_them.answers)} answered"


@contextmanager
def huge_offers(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """WebRTC offers of a megabyte."""
    offer = b"v=0\r\n" + b"a=candidate:x\r\n" * (_OFFER_BYTES // 15)
    headers = {
        "content-type": "application/sdp",
        "authorization": f"Bearer {secrets.token_hex(20)}",
    }
    with _live(scene) as live, client(scene.url) as attacker:
        answers = together(
            count, lambda _: attacker.post("/api/v1/live/whip", content=offer, headers=headers)
        )
        yield lambda: f"{live.goes_on()}; {counted(answers)}"
