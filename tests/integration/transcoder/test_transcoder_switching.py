"""A source that is shown as it is, in a browser: at once, and in step with the ladder below it."""

from pathlib import Path

import pytest

from shared.contracts import TranscodeCompleted, TranscodePlanned, VideoPlayable
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.screen import screen
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.wait import eventually


@pytest.mark.alone
async def test_source_and_ladder_take_turns_without_a_gap(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    fit = ("-c:v", "libx264", "-crf", "38", "-g", "18", "-bf", "2", "-x264-params", "scenecut=0")
    source = make(tmp_path / "a.mp4", *fit, seconds=14, size="640x360", rate="12")
    async with screen(studio) as page:
        video_id = await studio.upload(source)
        playable = await studio.wait_for(video_id, "VideoPlayable")
        assert isinstance(playable, VideoPlayable)
        plan = await studio.wait_for(video_id, "TranscodePlanned")
        assert isinstance(plan, TranscodePlanned)
        assert plan.renditions[0].passthrough
        # While the ladder is being made there is the source, and nothing to switch to.
        await page.evaluate("url => play(url, {})", f"/{playable.playlist_key}")

        async def at_the_end() -> dict[str, object] | None:
            seen = await page.evaluate("report()")
            assert not seen["fatal"], seen
            return seen if seen["ended"] else None

        await page.evaluate("video.playbackRate = 2")
        seen = await eventually(at_the_end, 120, every=0.5)
        assert seen["height"] == 360
        done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
        assert isinstance(done, TranscodeCompleted)
        await page.reload()
        await page.evaluate("url => play(url, { startLevel: 0 })", f"/{done.playlist_key}")
        # hls.js counts levels from the lowest; each new segment comes from the other one.
        await page.evaluate(
            "hls.on(Hls.Events.FRAG_BUFFERED, (_, d) => {"
            " if (d.frag.type === 'main') hls.nextLoadLevel = 1 - d.frag.level; })"
        )
        await page.evaluate("video.playbackRate = 2")
        seen = await eventually(at_the_end, 120, every=0.5)
    # What the change of levels cancels, or fetches twice, is no fault; a hole or a stall would be.
    harmless = ("aborted", "bufferAppendNoProgress")
    errors = seen["errors"]
    assert isinstance(errors, list)
    assert [error for error in errors if not error.startswith(harmless)] == []
    levels = seen["levels"]
    assert isinstance(levels, list)
    assert set(levels) == {0, 1}
    assert levels.count(0) >= 2
    assert levels.count(1) >= 2
    buffered = seen["buffered"]
    assert isinstance(buffered, list)
    assert len(buffered) == 1
