"""Two people who are live while faults happen, and what their recordings must be."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from deploy.local.environments import rtmp_url
from services.live.recording.history import Entry, read_history
from shared.contracts import stream_id
from shared.event_store.postgres import open_event_store
from shared.event_store.serialization import readable
from shared.programs.finding import find_ffmpeg
from tests.chaos.scene import Fault, Scene
from tests.chaos.uploads import Uploader
from tests.support.stack import RunningStack
from tests.support.threads import run

_PEOPLE: Final = 2
_AGAIN_SECONDS: Final = 1.0
_PATIENCE: Final = 180.0
# Between two segments that follow each other without a jump.
_APART_SECONDS: Final = 0.1
# Numbers that one takeover may leave out: what was not stored when its owner died.
_LOST_NUMBERS: Final = 4


class Lives:
    """``problems``: what does not hold, once they have ended."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._ending = threading.Event()
        self._people: list[tuple[Uploader, str, str]] = []
        self.problems: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be live meanwhile. All sessions are recorded at the end."""
        for _ in range(_PEOPLE):
            person = Uploader(self._stack.url)
            made = person.ask("POST", "/api/v1/live/streams", {"title": "Chaos"}, 201)
            self._people.append((person, made["id"], made["stream_key"]))
        threads = [
            threading.Thread(target=self._publish, args=(key,), daemon=True)
            for _, _, key in self._people
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()
            self._end()

    def _publish(self, key: str) -> None:
        """Send, and connect again whenever the connection is lost, as programs do."""
        address = f"{rtmp_url(self._stack.stack.ports)}/{key}"
        while not self._ending.is_set():
            process = subprocess.Popen(publisher(address), stderr=subprocess.DEVNULL)
            while process.poll() is None and not self._ending.is_set():
                time.sleep(0.2)
            process.kill()
            process.wait()
            self._ending.wait(_AGAIN_SECONDS)

    def _end(self) -> None:
        for person, live_id, _ in self._people:
            try:
                person.ask("POST", f"/api/v1/live/streams/{live_id}/complete", None, 200)
                self._check(person, live_id)
            except Exception as error:
                self.problems.append(f"a live cannot be ended: {error!r}")
            person.close()

    def _check(self, person: Uploader, live_id: str) -> None:
        sessions = person.ask("GET", f"/api/v1/live/streams/{live_id}/sessions", None, 200)
        if not sessions:
            self.problems.append(f"live stream {live_id} has no session")
        for session in sessions:
            self.problems += self._recorded(session["video_id"])

    def _recorded(self, video_id: str) -> list[str]:
        """What is wrong with a session's recording, which may take a moment."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = run(lambda: _problems(self._stack, video_id))
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(1)


async def _problems(stack: RunningStack, video_id: str) -> list[str]:
    async with open_event_store(stack.stack.urls.postgres, connections=1) as store:
        recorded = await store.read_stream(stream_id("livesession", video_id))
    history = read_history(video_id, [readable(event).data for event in recorded])
    if not history.tracks:
        # It was lost before its first segment was stored.
        return []
    if not history.ended or not history.recorded:
        return [f"live {video_id}: ended {history.ended}, recorded {history.recorded}"]
    entries = sorted(history.tracks["top"], key=lambda entry: entry.number)
    return [
        f"live {video_id}: {problem} after segment {before.number}"
        for before, after in pairwise(entries)
        if (problem := _break(before, after))
    ]


def _break(before: Entry, after: Entry) -> str:
    """What is missing between two segments of a picture, where there may be nothing."""
    missing = after.number - before.number - 1
    if after.jumps != before.jumps:
        return f"{missing} segments missing" if missing > _LOST_NUMBERS else ""
    hole = after.start / after.timescale - (before.start + before.duration) / before.timescale
    if missing or abs(hole) > _APART_SECONDS:
        return f"{missing} segments and {hole:.2f} s missing"
    return ""


def publisher(address: str) -> list[str]:
    """A program that sends a small picture and a tone there until it is ended."""
    picture = "testsrc=size=160x90:rate=10"
    encode = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p")
    sound = ("-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
    return [
        *(find_ffmpeg(None), "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", picture),
        *(*sound, *encode, "-c:a", "aac", "-b:a", "32k", "-f", "flv", address),
    ]


def kill_ffmpeg(scene: Scene, chance: random.Random) -> str | None:
    """``kill -9`` the ffmpeg of a session."""
    owner = scene.stack.status("live").pid
    found = list(_descendants(owner)) if owner is not None else []
    programs = [pid for pid in found if "ffmpeg" in _command(pid)]
    if not programs:
        return None
    pid = chance.choice(programs)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    return f"killed ffmpeg of a live ({pid})"


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


FAULTS: Final[dict[str, Fault]] = {"kill live's ffmpeg": kill_ffmpeg}
NEED_LIVES: Final = frozenset((*FAULTS, "kill live", "freeze live"))


def wanted(kinds: tuple[str, ...]) -> bool:
    """Whether somebody is live in a storm of these kinds."""
    return bool(NEED_LIVES & set(kinds))
