"""Storage that answers wrongly now and then, and sources that are not what was acknowledged."""

import asyncio
import hashlib
from pathlib import Path

from shared.contracts import TranscodeCompleted, TranscodeFailed, TranscodePlanned
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.buckets import Buckets
from tests.support.wrong_s3 import WrongS3


async def test_wrong_answers_of_the_storage_fail_no_video(
    processes: Processes, studio: Studio, s3: Buckets, tmp_path: Path
) -> None:
    indexed = make(tmp_path / "a.mp4", seconds=6)
    other = make(tmp_path / "b.mkv", seconds=6)
    with WrongS3(s3.endpoint, 0.15).running() as wrong:
        processes.env["S3_ENDPOINT"] = wrong.url
        processes.planner()
        processes.worker()
        videos = [await studio.upload(path) for path in (indexed, other, indexed, other)]
        ends = await asyncio.gather(
            *(studio.wait_for(v, "TranscodeCompleted", "TranscodeFailed") for v in videos)
        )
        assert [type(end) for end in ends] == [TranscodeCompleted] * len(ends), ends
    assert wrong.done.total() - wrong.done["right"] > 20


async def test_a_file_that_is_damaged_fails_after_it_was_read_again(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(b"this is not a video " * 500)
    processes.planner()
    processes.worker()
    video_id = await studio.upload(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    failed = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(failed, TranscodeFailed)
    assert failed.code == "media.unreadable"
    logs = "".join(log.read_text() for log in processes.folder.glob("*worker*.log"))
    assert logs.count("media rejected") == 1
    assert logs.count("source doubted") == 1


async def test_a_file_that_its_owner_has_cut_plays_as_far_as_it_goes(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    whole = make(tmp_path / "a.mp4", "-movflags", "+faststart", seconds=8).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    processes.planner()
    processes.worker()
    video_id = await studio.upload(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)
    planned = await studio.wait_for(video_id, "TranscodePlanned")
    assert isinstance(planned, TranscodePlanned)
    assert [note.code for note in planned.source.notes] == ["ends_early"]
    assert 3000 < planned.source.duration_ms < 5000


async def test_a_source_that_the_storage_has_damaged_is_not_the_users_fault(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    whole = make(tmp_path / "a.mp4").read_bytes()
    # Without its end it would play as far as it goes.
    early = make(tmp_path / "b.mp4", "-movflags", "+faststart", seconds=6).read_bytes()
    half = len(whole) // 2
    cases = {
        "cut": (whole, whole[:half]),
        "changed": (whole, b"\0" * half + whole[half:]),
        "cut behind its index": (early, early[: len(early) // 2]),
    }
    processes.planner()
    processes.worker()
    ids: dict[str, str] = {}
    for name, (uploaded, stored) in cases.items():
        (tmp_path / name).write_bytes(stored)
        ids[name] = await studio.upload(
            tmp_path / name, size=len(uploaded), sha256=hashlib.sha256(uploaded).hexdigest()
        )
    for name, video_id in ids.items():
        failed = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
        assert isinstance(failed, TranscodeFailed), name
        assert failed.code == "storage.damaged", name
