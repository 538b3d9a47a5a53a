"""A worker says that it is there as often as others must know, and not more often."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.transcoder.scheduler.tasks import WORKER_SECONDS
from services.transcoder.worker import worker as workers
from services.transcoder.worker.worker import HEARTBEAT_SECONDS, Worker
from shared.errors import Unavailable


class Beats:
    """Notes each time that the worker says so; the database may be away."""

    def __init__(self) -> None:
        self.seen_at: list[float] = []
        self.now = 0.0
        self.away = False

    async def seen(self, _worker: str, _slots: int) -> None:
        if self.away:
            raise Unavailable("away")
        self.seen_at.append(self.now)


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> Beats:
    made = Beats()
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def worker(beats: Beats) -> Worker:
    nothing = cast("Any", None)
    context = cast("Any", SimpleNamespace(name="w"))
    return Worker(context, nothing, nothing, nothing, 1, beats=cast("Any", beats))


async def test_without_a_task_it_says_so_several_times_before_it_counts_as_gone(
    beats: Beats,
) -> None:
    idle = worker(beats)
    for _ in range(60):
        await idle.heartbeat()
        beats.now += HEARTBEAT_SECONDS
    pauses = [b - a for a, b in zip(beats.seen_at, beats.seen_at[1:], strict=False)]
    assert pauses
    assert min(pauses) > HEARTBEAT_SECONDS
    assert 2 * max(pauses) < WORKER_SECONDS


async def test_what_was_not_heard_is_said_again_at_once(beats: Beats) -> None:
    idle = worker(beats)
    beats.away = True
    with pytest.raises(Unavailable):
        await idle.heartbeat()
    beats.away = False
    beats.now += HEARTBEAT_SECONDS
    await idle.heartbeat()
    assert beats.seen_at == [HEARTBEAT_SECONDS]
