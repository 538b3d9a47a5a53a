"""What the owner of a session does again, because no answer said that it was done."""

from pathlib import Path
from typing import Any

import pytest

from services.live.handlers.live_events import LiveEvents
from services.live.ports import Session
from services.live.recording.recorder import SegmentRecorder
from services.live.recording.segment_queue import SegmentQueue
from services.live.recording.spool import Spool
from shared.contracts import LivePublished
from tests.integration.live.harness import OBS, Live
from tests.support.memory_blobs import MemoryBlobs
from tests.unit.live.test_live_recording import PICTURE, segment


class Lost:
    """Something whose method does what it is asked, and then fails, so many times."""

    def __init__(self, inner: Any, method: str, times: int = 0) -> None:
        self._inner = inner
        self._method = method
        self.times = times

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._answer(found) if name == self._method else found

    def _answer(self, method: Any) -> Any:
        async def answer(*values: Any) -> Any:
            answered = await method(*values)
            if self.times:
                self.times -= 1
                raise ConnectionError("no answer")
            return answered

        return answer


class Owner:
    """A session of replica one, and what records it."""

    def __init__(self, live: Live, session: Session, folder: Path) -> None:
        self._live = live
        self.session = session
        queue = SegmentQueue(folder / "segments", Spool().share("ann"))
        self.recorder = SegmentRecorder(session, live.one.sessions, MemoryBlobs(), queue)

    def make(self, *numbers: int) -> None:
        for number in numbers:
            self.recorder.add("top", segment(number), PICTURE)

    async def step(self) -> None:
        await self.recorder.step(["top"], everything=True)

    async def logged(self) -> list[int]:
        """The numbers of all segments that the log has."""
        events = await self._live.two.sessions.history(self.session.video_id)
        batches = [event for event in events if isinstance(event, LivePublished)]
        return [each.index for batch in batches for each in batch.tracks[0].segments]


async def opened(live: Live, folder: Path) -> Owner:
    _, key = await live.stream()
    return Owner(live, await live.one.sessions.connect(key, OBS), folder)


async def test_segments_that_follow_a_lost_answer_are_recorded(live: Live, tmp_path: Path) -> None:
    owner = await opened(live, tmp_path)
    lost = Lost(live.store, "append")
    live.one.sessions._events = LiveEvents(lost)  # type: ignore[arg-type]
    owner.make(0, 1)
    await owner.step()
    lost.times = 1
    owner.make(2, 3)
    with pytest.raises(ConnectionError):
        await owner.step()
    owner.make(4, 5)
    await owner.step()
    assert await owner.logged() == [0, 1, 2, 3, 4, 5]


async def test_segments_that_follow_a_failed_row_are_recorded(live: Live, tmp_path: Path) -> None:
    owner = await opened(live, tmp_path)
    lost = Lost(live.one.sessions._sessions, "started", 1)
    live.one.sessions._sessions = lost  # type: ignore[assignment]
    owner.make(0)
    with pytest.raises(ConnectionError):
        await owner.step()
    owner.make(1, 2)
    await owner.step()
    assert await owner.logged() == [0, 1, 2]
