"""hls.js and dash.js on a complete video: to the end, across boundaries, between renditions."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from shared.contracts import TranscodeCompleted
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.screen import screen
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.wait import eventually

SECONDS = 14
# Around every segment's boundary, back and forth.
PLACES = (3.98, 8.02, 4.02, 11.98, 0.0, 12.04, 7.98)


@pytest.fixture
async def done(processes: Processes, studio: Studio, tmp_path: Path) -> TranscodeCompleted:
    """A video that is complete and compacted."""
    processes.planner()
    processes.worker()
    source = make(tmp_path / "a.mkv", "-c:v", "ffv1", seconds=SECONDS, size="640x360", rate="12")
    video_id = await studio.upload(source)
    event = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(event, TranscodeCompleted)
    await studio.wait_for(video_id, "MediaCompacted")
    return event


async def to_the_end(page: Page) -> dict[str, Any]:
    async def ended() -> dict[str, Any] | None:
        seen = await page.evaluate("report()")
        assert not seen["fatal"], seen
        return seen if seen["ended"] else None

    return await eventually(ended, 60, every=0.2)


def whole(seen: dict[str, Any]) -> None:
    """Buffered without a hole up to the video's end."""
    assert abs(seen["duration"] - SECONDS) < 0.1
    assert len(seen["buffered"]) == 1
    assert seen["buffered"][0][1] >= SECONDS - 0.1


async def test_every_player_plays_all_of_it(studio: Studio, done: TranscodeCompleted) -> None:
    async with screen(studio) as page:
        await page.evaluate(
            "url => play(url, { startLevel: 0, maxBufferLength: 30 })", f"/{done.playlist_key}"
        )
        assert await page.evaluate("hls.levels.length") == 2
        for place in PLACES:
            assert await page.evaluate("t => seek(t)", place), place
        await page.evaluate("video.currentTime = 0")
        await page.evaluate("hls.nextLevel = 1")
        await eventually(lambda: has_height(page, 360), 30, every=0.2)
        waiting = (await page.evaluate("report()"))["waiting"]
        await page.evaluate("hls.nextLevel = 0")
        await eventually(lambda: has_height(page, 240), 30, every=0.2)
        seen = await page.evaluate("report()")
        assert seen["waiting"] == waiting, "switching renditions stalled"
        assert seen["errors"] == []
        # Four times as fast, a busy machine may come to a halt, but gets to the end.
        await page.evaluate("video.playbackRate = 4")
        seen = await to_the_end(page)
        assert {error for error in seen["errors"] if "Stalled" not in error} == set()
        whole(seen)

        await page.reload()
        await page.evaluate("url => playDash(url)", f"/{done.dash_key}")
        await eventually(lambda: plays(page), 30, every=0.2)
        assert await page.evaluate("dash.getRepresentationsByType('video').length") == 2
        assert await page.evaluate("dash.getRepresentationsByType('audio').length") == 1
        for place in PLACES:
            assert await page.evaluate("t => seek(t)", place), place
        await page.evaluate("video.currentTime = 0; video.play()")
        for index, height in ((1, 360), (0, 240)):
            await page.evaluate("i => showDash(i)", index)
            await eventually(lambda h=height: has_height(page, h), 30, every=0.2)
        await page.evaluate("video.playbackRate = 4")
        whole(await to_the_end(page))


async def has_height(page: Page, height: int) -> bool:
    seen = await page.evaluate("report()")
    assert not seen["fatal"], seen
    return seen["height"] == height


async def plays(page: Page) -> bool:
    seen = await page.evaluate("report()")
    assert not seen["fatal"], seen
    return seen["time"] > 0.3
