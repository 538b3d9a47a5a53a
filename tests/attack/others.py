"""What others see while somebody attacks."""

import time
from collections.abc import Callable

import httpx
from msgspec import Struct

from tests.attack.scene import Scene, client

# As many as keep one person below the limit of requests.
_PEOPLE = 6


class Seen(Struct, frozen=True):
    """The 95th percentile of some requests, in milliseconds, and how many of them failed.

    ``ready``: whether the gateway says that it can serve.
    """

    latest: float
    playlist: float
    failed: int
    ready: bool

    def __str__(self) -> str:
        ready = "" if self.ready else ", not ready"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"latest {self.latest:.0f} ms, playlist {self.playlist:.0f} ms{failed}{ready}"


class Others:
    """People without a part in the attack, each with an address of their own.

    ``looks``: how often they ask in each look.
    """

    def __init__(self, scene: Scene, looks: int) -> None:
        self._scene = scene
        self._looks = looks
        self._ready = client(scene.url)
        self._people = [client(scene.url) for _ in range(_PEOPLE)]

    def close(self) -> None:
        for each in (self._ready, *self._people):
            each.close()

    def look(self) -> Seen:
        """Ask for the newest videos and for a playlist, again and again."""
        latest: list[float] = []
        playlists: list[float] = []
        failed = 0
        for number in range(self._looks):
            person = self._people[number % _PEOPLE]
            for path, times in (
                ("/api/v1/streaming/latest", latest),
                (self._scene.playlist, playlists),
            ):
                began = time.perf_counter()
                if not _succeeds(lambda path=path, person=person: person.get(path)):
                    failed += 1
                times.append(1000 * (time.perf_counter() - began))
        ready = _succeeds(lambda: self._ready.get("/ready"))
        return Seen(_p95(latest), _p95(playlists), failed, ready)


def _succeeds(ask: Callable[[], httpx.Response]) -> bool:
    try:
        return ask().is_success
    except httpx.TransportError:
        return False


def _p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]
