"""A source that cannot be read in parts is decoded as a whole, without anybody asking for it."""

from pathlib import Path

from services.transcoder.domain.state import SYSTEM
from shared.contracts import TranscodeCompleted, TranscodePlanned, TranscodeRetried
from tests.integration.transcoder.clips import look
from tests.integration.transcoder.stage import Processes, Studio
from tests.media.made_changes import CHANGES


async def test_a_picture_that_changes_its_size_is_whole_in_the_second_attempt(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(CHANGES["size changes"](tmp_path))

    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")

    assert isinstance(done, TranscodeCompleted), done
    assert (done.attempt, done.duration_ms) == (2, 6000)
    story = [recorded.data for recorded in await studio.story(video_id)]
    first, second = [event for event in story if isinstance(event, TranscodePlanned)]
    assert (first.plain, second.plain, second.counted) == (False, True, True)
    (retried,) = [event for event in story if isinstance(event, TranscodeRetried)]
    assert (retried.requested_by, retried.code) == (SYSTEM, "media.changes")
    folder = studio.download(video_id, tmp_path / "out") / "a2"
    seen = look(folder / f"{second.renditions[-1].name}.m3u8")
    assert seen["complaints"] == ""
    assert abs(int(seen["streams"][0]["nb_read_frames"]) - 150) <= 3
