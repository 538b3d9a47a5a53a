"""Playing a video while it is still being encoded."""

from pathlib import Path

from shared.contracts import TranscodeCompleted, VideoPlayable
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.screen import screen
from tests.integration.transcoder.slow_ffmpeg import SlowFfmpeg
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.wait import eventually


async def test_an_early_watcher_sees_all_of_it_and_climbs(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    # Faster than the picture is played, and slow enough that it is played while it is made.
    processes.worker(WORKER_SLOTS="1", FFMPEG=str(SlowFfmpeg(tmp_path, 4).path))
    source = make(tmp_path / "a.mp4", seconds=20, size="854x480", rate="12")
    async with screen(studio) as page:
        video_id = await studio.upload(source)
        playable = await studio.wait_for(video_id, "VideoPlayable")
        assert isinstance(playable, VideoPlayable)
        assert "TranscodeCompleted" not in await studio.types(video_id)
        await page.evaluate("url => play(url, { startLevel: 2 })", f"/{playable.playlist_key}")

        async def at_the_end() -> dict[str, object] | None:
            seen = await page.evaluate("report()")
            assert not seen["fatal"], seen
            return seen if seen["ended"] else None

        seen = await eventually(at_the_end, 240, every=0.5)
        done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
        assert isinstance(done, TranscodeCompleted)
    assert seen["loads"] == 1
    assert seen["height"] == 480
    # Waiting for the next segment to be made is no fault; anything else would be.
    waits = ("bufferStalledError", "bufferAppendNoProgress")
    errors = seen["errors"]
    assert isinstance(errors, list)
    assert [error for error in errors if not error.startswith(waits)] == []
