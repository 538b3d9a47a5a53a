"""Playlists from the log alone: what is kept of them, whoever asks for whatever."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from services.live.origin import plain
from services.live.origin.plain import PlainPlaylists
from shared.contracts import Event
from tests.unit.live.test_live_recording import BOTH, ENDED, Stage


class Log:
    """Has a session for each video that does not begin with ``none``; those that begin with
    ``over`` have ended."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self.read: Counter[str] = Counter()

    async def history(self, video_id: str, after: int = 0) -> Sequence[Event]:
        self.read[video_id] += not after
        if video_id.startswith("none"):
            return []
        return [*self._events, *([ENDED] if video_id.startswith("over") else [])][after:]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    stage = Stage(tmp_path)
    stage.store(0, *BOTH)
    stage.publish()
    return Log(stage.events)


@pytest.fixture
def playlists(log: Log) -> PlainPlaylists:
    return PlainPlaylists(cast("Any", log), cast("Any", None), dvr_seconds=60)


async def test_names_that_are_thought_up_leave_nothing_behind(playlists: PlainPlaylists) -> None:
    names = [f"{prefix}name{n}.m3u8" for n in range(100) for prefix in ("", "dvr-")]
    assert {await playlists.playlist("v", name) for name in names} == {None}
    assert await playlists.playlist("v", "top.m3u8")
    assert await playlists.playlist("v", "dvr-a.m3u8")
    assert {name for name, _ in playlists._known["v"].texts} == {"top.m3u8", "dvr-a.m3u8"}


@pytest.mark.parametrize("others", ["over", "none"])
async def test_what_is_over_has_no_running_live_read_anew(
    log: Log, playlists: PlainPlaylists, others: str
) -> None:
    await playlists.playlist("running", "top.m3u8")
    for number in range(3 * plain._MAX_KNOWN):
        await playlists.playlist(f"{others}{number}", "top.m3u8")
        assert await playlists.playlist("running", "top.m3u8")
    assert log.read["running"] == 1
    assert len(playlists._known) <= plain._MAX_KNOWN
    assert len(playlists._reading) <= plain._MAX_KNOWN
