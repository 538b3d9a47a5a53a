"""How long a film takes on many workers: the planner's own chunks, tasks, order and queues, with
costs as measured, on a clock that is only counted.

A worker has as many cores as threads, one slot for urgent and one for bulk tasks, as
``WORKER_SLOTS`` of 1 makes it; when both run, they share the cores.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.planning.ladder import ladder
from services.transcoder.planning.plan import VideoTask, chunks, timeline, video_tasks
from services.transcoder.scheduler.tasks import URGENT_PRIORITY
from shared.contracts import SourceFacts, TranscodePlanned, VideoTrack

# CPU seconds per frame of 1080p, as the encode section measures them: decoding and scaling once,
# and each pixel of each rendition; and what a task costs whatever it does, in seconds.
DECODE: Final = 0.03
ENCODE: Final = 0.09
OVERHEAD: Final = 0.4
# Threads of one encode wait for one another: n of them do what n ** this would.
THREADS_EXPONENT: Final = 0.85
PIXELS: Final = 1920 * 1080


class Film(msgspec.Struct, frozen=True):
    """One upload: when it came (seconds), whose it is, how long it is, what is to be done."""

    name: str
    user: str
    arrives: float
    plan: TranscodePlanned


class Outcome(msgspec.Struct, frozen=True):
    """Seconds after the upload. ``starved``: how long a person who starts to watch as soon as that
    is possible waits afterwards. ``busy``: the part of all cores' time, until everything was done,
    that went into work."""

    playable: float
    complete: float
    starved: float
    busy: float


class _Fair:
    """The order of ``Dispatcher.pick``: start-time fair queueing over users."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[int, int, Film, VideoTask]]] = defaultdict(list)
        self._finish: dict[str, float] = defaultdict(float)
        self._clock = 0.0
        self._place = 0

    def add(self, film: Film, tasks: Iterable[VideoTask]) -> None:
        for task in tasks:
            self._place += 1
            heapq.heappush(self._waiting[film.user], (task.priority, self._place, film, task))

    def pick(self) -> tuple[Film, VideoTask] | None:
        waiting = [user for user, tasks in self._waiting.items() if tasks]
        if not waiting:
            return None
        start, _, user = min(
            (max(self._finish[user], self._clock), self._waiting[user][0][:2], user)
            for user in waiting
        )
        _, _, film, task = heapq.heappop(self._waiting[user])
        self._finish[user] = start + task.cost
        self._clock = max(self._clock, start)
        return film, task


class _Running(msgspec.Struct):
    film: Film
    task: VideoTask
    left: float


def film(name: str, user: str, arrives: float, seconds: float, rate: int = 25) -> Film:
    """A 1080p film, planned as the planner does it."""
    line = timeline(Fraction(rate))
    video = VideoTrack(codec="h264", width=1920, height=1080, frame_rate=f"{rate}/1")
    source = SourceFacts(container="mov", duration_ms=round(seconds * 1000), size=1, video=video)
    plan = TranscodePlanned(
        video_id=name,
        user_id=user,
        attempt=1,
        prefix=name,
        source=source,
        renditions=ladder(source),
        chunks=chunks(line, seconds),
        audio=(),
        segment_ms=line.segment_ms,
        encoder="x264 veryfast",
        worker="simulated",
    )
    return Film(name, user, arrives, plan)


def seconds_of(film: Film, task: VideoTask) -> float:
    """What a task takes a core to itself, by the measured costs."""
    frames = film.plan.chunks[task.chunk].frames or 0
    pixels = sum(r.width * r.height for r in film.plan.renditions if r.name in task.renditions)
    return OVERHEAD + frames * (DECODE + ENCODE * pixels / PIXELS)


def simulate(films: list[Film], workers: int, threads: int = 1) -> dict[str, Outcome]:
    """Run films on workers; returns what became of each."""
    speed = threads**THREADS_EXPONENT
    work = sum(seconds_of(each, task) for each in films for task in video_tasks(each.plan))
    queues = {"urgent": _Fair(), "bulk": _Fair()}
    slots: list[dict[str, _Running]] = [{} for _ in range(workers)]
    done: dict[str, dict[str, float]] = defaultdict(dict)
    coming = sorted(films, key=lambda each: each.arrives)
    now = 0.0
    while True:
        while coming and coming[0].arrives <= now:
            new = coming.pop(0)
            for task in video_tasks(new.plan):
                kind = "urgent" if task.priority <= URGENT_PRIORITY else "bulk"
                queues[kind].add(new, (task,))
        _fill(slots, queues, speed)
        step = min((r.left * len(slot) for slot in slots for r in slot.values()), default=None)
        until = coming[0].arrives - now if coming else None
        if step is None and until is None:
            break
        passed = min(each for each in (step, until) if each is not None)
        now += passed
        for slot in slots:
            share = passed / len(slot) if slot else 0.0
            for kind, running in list(slot.items()):
                running.left -= share
                if running.left <= 1e-9:
                    done[running.film.name][running.task.name] = now - running.film.arrives
                    del slot[kind]
    busy = work / (now * workers * threads)
    return {each.name: _outcome(each, done[each.name], busy) for each in films}


def _fill(slots: list[dict[str, _Running]], queues: dict[str, _Fair], speed: float) -> None:
    for kind, queue in queues.items():
        # The message goes to a worker that takes part in nothing, if there is one.
        for slot in sorted(slots, key=len):
            if kind in slot:
                continue
            picked = queue.pick()
            if picked is None:
                break
            slot[kind] = _Running(*picked, left=seconds_of(*picked) / speed)


def _outcome(film: Film, done: dict[str, float], busy: float) -> Outcome:
    """A chunk can be watched once its tasks are done; the first once its lowest rendition is."""
    by_chunk: dict[int, list[float]] = defaultdict(list)
    for task in video_tasks(film.plan):
        by_chunk[task.chunk].append(done[task.name])
    playable = min(by_chunk[0])
    rate = Fraction(film.plan.renditions[0].frame_rate)
    watched, starved = playable, 0.0
    for chunk in film.plan.chunks:
        ready = playable if chunk.index == 0 else max(by_chunk[chunk.index])
        starved += max(0.0, ready - watched)
        watched = max(watched, ready) + float((chunk.frames or 0) / rate)
    return Outcome(playable, max(done.values()), starved, busy)
