"""Who is at fault when ffmpeg fails: the file, or its surroundings."""

import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.probe import classify_failure
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed
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
