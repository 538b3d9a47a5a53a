"""Who is at fault when ffmpeg fails: the file, or its surroundings."""

import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.probe import classify_failure
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed, failed
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.scheduler.tasks import MAX_TRIES, TaskError
from services.transcoder.worker.judgement import is_last
from shared.programs.process import RunFailed

SOURCE = Input("/scratch/source.mp4", remote=False)


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("Error opening output 240p.mp4: No such file or directory", TaskFailed, "worker.scratch"),
        ("av_interleaved_write_frame(): No space left on device", TaskFailed, "worker.scratch"),
        ("moov atom not found", MediaRejected, "media.truncated"),
        ("Invalid data found when processing input", MediaRejected, "media.unreadable"),
    ],
)
def test_a_disk_of_ours_is_no_fault_of_the_file(
    said: str, kind: type[Exception], code: str
) -> None:
    blamed = classify_failure(RunFailed(said, killed=False), SOURCE)
    assert isinstance(blamed, kind)
    assert blamed.code == code


@pytest.mark.parametrize(
    ("code", "before", "tries", "last"),
    [
        ("encoder.timing", None, 1, False),
        ("encoder.timing", "encoder.timing", 2, True),
        ("media.no_still", "media.no_still", 2, True),
        ("encoder.timing", "storage.unreadable", 2, False),
        # They may pass.
        ("media.too_slow", "media.too_slow", 2, False),
        ("storage.unreadable", "storage.unreadable", 3, False),
        ("storage.unreadable", "storage.unreadable", MAX_TRIES, True),
    ],
)
def test_what_fails_the_same_way_twice_fails_each_time(
    code: str, before: str | None, tries: int, *, last: bool
) -> None:
    task = ClaimedTask(
        task_id="t",
        video_id="v",
        user_id="u",
        attempt=1,
        kind="images",
        spec={},
        dispatch=tries,
        tries=tries,
        plan=None,
        source_key="v/source",
        size=1,
        correlation_id=None,
        traceparent=None,
        error=None if before is None else TaskError(before, "why"),
    )
    assert is_last(task, failed(code)) == last
