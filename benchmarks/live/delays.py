"""What viewers wait for: glass to glass, stalls, the first picture, a death, the finished video."""

import time
from typing import Final

from playwright.sync_api import Browser

from benchmarks.live import sending
from benchmarks.live.stage import Effort, Stage
from benchmarks.live.table import Row, percentiles, say, spread
from benchmarks.live.watching import QUALITIES, Viewer, ages, longest, now, stands, watching
from tests.e2e.browsing import FAKE_CAMERA, running_browser
from tests.e2e.people import until

START_UP_SECONDS: Final = 10.0
"""From the first picture on, until a player has found its place."""
_SWITCH_SECONDS: Final = 10.0
# A picture that stands longer than this has stalled, whatever the browser says.
_FROZEN_SECONDS: Final = 0.5
_WARM_UP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02


def glass(stage: Stage, effort: Effort) -> list[Row]:
    """From the clock that is drawn to the clock that is seen."""
    rows: list[Row] = []
    with running_browser(*FAKE_CAMERA) as browser:
        for keys in (sending.KEY_SECONDS, 1):
            live = stage.live("Glass to glass")
            with sending.publishing(sending.clock_command(live.address, keys)):
                seen = _age_seen(stage, browser, stage.running(live), effort)
            stage.complete(live)
            what = (
                f"glass to glass, RTMP → LL-HLS, sound and two rungs, a key picture every {keys} s"
            )
            rows.append(Row(what, seen, "3 s", "1.8 s"))
        with sending.camera(browser, stage.url) as video_id:
            seen = _age_seen(stage, browser, video_id, effort)
        rows.append(Row("glass to glass, WHIP → LL-HLS", seen, "4 s", "2.5 s"))
    return rows


def _age_seen(stage: Stage, browser: Browser, video_id: str, effort: Effort) -> str:
    with watching(browser, stage.url) as viewer:
        viewer.watch(video_id)
        viewer.rest(START_UP_SECONDS)
        since = now()
        viewer.rest(effort.seconds)
        shown = viewer.shown()
        found = ages(shown, since)
    seen, renditions = percentiles(found), stage.renditions(video_id)
    say(f"  {len(found)} pictures of {shown[-1].height} lines, {renditions} renditions: {seen}")
    return seen


def stalls(stage: Stage, effort: Effort) -> list[Row]:
    """A viewer who chooses another quality again and again."""
    live = stage.live("Switches")
    with sending.publishing(sending.clock_command(live.address)):
        video_id = stage.running(live)
        with running_browser() as browser, watching(browser, stage.url) as viewer:
            viewer.watch(video_id)
            viewer.rest(START_UP_SECONDS)
            since, switches = now(), 0
            while now() - since < effort.minutes * 60:
                viewer.choose(QUALITIES[switches % len(QUALITIES)])
                switches += 1
                viewer.rest(_SWITCH_SECONDS)
            count, stand, heights = _stalls(viewer, since)
    what = f"stalls in {effort.minutes:g} min with {switches} switches, after start-up"
    seen = f"{count} (longest stand {stand:.2f} s; pictures of {heights} lines)"
    return [Row(what, seen, "0", "0")]


def _stalls(viewer: Viewer, since: float) -> tuple[int, float, str]:
    """How often there was nothing to show; the longest stand; which heights were seen."""
    shown = [each for each in viewer.shown() if each.at >= since]
    waits = [at for at in viewer.waits() if at >= since]
    found = stands(shown, since)
    frozen = [at for at, seconds in found if seconds > _FROZEN_SECONDS]
    say(f"  waits at {_offsets(waits, since)}, frozen at {_offsets(frozen, since)}")
    heights = ", ".join(str(height) for height in sorted({each.height for each in shown}))
    return max(len(waits), len(frozen)), longest(found), heights


def _offsets(times: list[float], since: float) -> str:
    return ", ".join(f"{at - since:.0f} s" for at in times) or "none"


def start(stage: Stage, effort: Effort) -> list[Row]:
    """Somebody new clicks on a running live of the first page."""
    live = stage.live("Started")
    clicks: list[float] = []
    plays: list[float] = []
    with sending.publishing(sending.clock_command(live.address)), running_browser() as browser:
        stage.running(live)
        time.sleep(_WARM_UP_SECONDS)
        for _ in range(effort.rounds):
            with watching(browser, stage.url) as viewer:
                click, play = viewer.start(live.title)
            clicks.append(click)
            plays.append(play)
    stage.complete(live)
    return [
        Row("click on a live → its first picture", spread(clicks), "2 s", "1 s"),
        Row("of it, from Play on", spread(plays)),
    ]


def takeover(stage: Stage, effort: Effort) -> list[Row]:
    """``kill -9`` of live, the only replica, while the publisher reconnects at once."""
    frozen: list[float] = []
    back: list[float] = []
    with running_browser() as browser:
        for _ in range(effort.rounds):
            live = stage.live("Killed")
            command = sending.clock_command(live.address)
            with (
                sending.publishing(command, again=True),
                watching(browser, stage.url) as viewer,
            ):
                viewer.watch(stage.running(live))
                viewer.rest(START_UP_SECONDS)
                killed_at, killed = now(), stage.stack.kill("live")
                until(lambda pid=killed: stage.stack.is_back("live", pid))
                back.append(now() - killed_at)
                viewer.sees_what_is_drawn_after(now())
                frozen.append(longest(stands(viewer.shown(), killed_at)))
                say(f"  live back after {back[-1]:.1f} s, frozen for {frozen[-1]:.1f} s")
            stage.complete(live)
    return [
        Row("viewer frozen at kill -9 of live", spread(frozen), "8 s", "3 s"),
        Row("of it, until live is ready again", spread(back)),
    ]


def end(stage: Stage, effort: Effort) -> list[Row]:
    """From the request that ends a live to the catalog's finished video."""
    found: list[float] = []
    for _ in range(effort.rounds):
        live = stage.live("Ended")
        with sending.publishing(sending.clock_command(live.address)):
            video_id = stage.running(live)
            time.sleep(_WARM_UP_SECONDS)
            began = time.monotonic()
            stage.complete(live)
            while not stage.is_complete(video_id):
                time.sleep(_POLL_SECONDS)
            found.append(time.monotonic() - began)
    return [Row("live ended → video complete in the catalog", spread(found), "5 s", "1 s")]
