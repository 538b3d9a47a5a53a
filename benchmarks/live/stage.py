"""Cinelog on parts of its own, started as ``make up`` starts it, and people who use it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import msgspec
import psutil

from deploy.local.environments import processes
from tests.e2e.people import Person, sign_up, until
from tests.support.real_parts import ROOT
from tests.support.stack import RunningStack
from tests.support.whole_stack import whole_stack

_WORKERS: Final = 1
# This machine's cores are shared with publishers and browsers: what it can take is not asked here.
_OPTIONS: Final = {
    "LIVE_CORES": "64",
    "MAX_LIVES_PER_USER": "100",
    # Each viewer of a crowd says which address it has, as a load balancer would.
    "TRUSTED_PROXIES": "1",
}


class Effort(msgspec.Struct, frozen=True):
    """How long a section measures, and how often it repeats what has one result."""

    seconds: float
    minutes: float
    rounds: int


class Live(msgspec.Struct, frozen=True):
    """A live stream that is set up. ``address``: where to publish."""

    live_id: str
    title: str
    address: str


class Used(msgspec.Struct, frozen=True):
    """CPU seconds so far, and bytes of memory that are this process's alone."""

    seconds: float
    memory: int


class Stage:
    """The running stack, and one person's lives."""

    def __init__(self, stack: RunningStack, person: Person) -> None:
        self.stack = stack
        self.url = stack.url
        self._person = person

    def live(self, title: str) -> Live:
        """Set a live stream up."""
        body = {"title": title, "reconnect_seconds": 60}
        answer = self._person.client.post("/api/v1/live/streams", json=body)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return Live(data["id"], title, f"{data['rtmp_url']}/{data['stream_key']}")

    def running(self, live: Live) -> str:
        """Wait until it can be played, in all its renditions; its video."""

        def playable() -> Any:
            found = self._person.get(f"/api/v1/live/streams/{live.live_id}") or {}
            video = self._person.get(f"/api/v1/streaming/id/{found.get('video_id')}")
            return video["id"] if video and video["playable"] else None

        return until(playable)

    def renditions(self, video_id: str) -> int:
        """How many pictures a live has now."""
        answer = self._person.client.get(f"/media/public/{video_id}/live/index.m3u8")
        return answer.text.count("#EXT-X-STREAM-INF")

    def complete(self, live: Live) -> None:
        """End its session."""
        answer = self._person.client.post(f"/api/v1/live/streams/{live.live_id}/complete")
        assert answer.is_success, answer.text

    def is_complete(self, video_id: str) -> bool:
        """Whether the catalog shows it as a finished video."""
        video = self._person.get(f"/api/v1/streaming/id/{video_id}") or {}
        return video.get("status") == "ready" and bool(video.get("video"))

    def used_by(self, name: str) -> Used:
        """What a process of the stack has used, without those that it has started."""
        pid = self.stack.status(name).pid
        assert pid is not None, f"{name} is down"
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Used(times.user + times.system, process.memory_full_info().uss)

    def used_below(self, name: str) -> float:
        """CPU seconds of what a process of the stack has started."""
        pid = self.stack.status(name).pid
        assert pid is not None, f"{name} is down"
        times = [child.cpu_times() for child in psutil.Process(pid).children(recursive=True)]
        return sum(each.user + each.system for each in times)


@contextmanager
def stage() -> Iterator[Stage]:
    """The stack, on disk, its services started from nothing rather than forked."""

    def as_it_is(stack: RunningStack) -> None:
        for name in processes(_WORKERS):
            stack.run_code_in(name, ROOT)

    with ExitStack() as at_the_end:
        place = ROOT / "dist"
        place.mkdir(exist_ok=True)
        stack = at_the_end.enter_context(
            whole_stack(_WORKERS, _OPTIONS, place=place, before=as_it_is)
        )
        yield Stage(stack, at_the_end.enter_context(sign_up(stack.url)))
