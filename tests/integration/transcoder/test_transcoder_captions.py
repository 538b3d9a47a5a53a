"""Objects of captions: what the video's log names stays, all else there goes, in its time."""

from datetime import timedelta

import msgspec

from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from shared.contracts import (
    CaptionsRemoved,
    CaptionsStored,
    CaptionTrack,
    StoredObject,
    VideoDeleted,
)
from tests.integration.transcoder.task_table import project, uploads
from tests.integration.transcoder.test_transcoder_sweeping import JOB, MADE, Bench, bench

__all__ = ["bench"]

BODY = b"#EXTM3U"  # what the bench writes
FOLDER = "v/captions"


def stored(language: str, name: str, size: int = len(BODY)) -> CaptionsStored:
    fact = StoredObject(key=f"{FOLDER}/{name}.vtt", size=size, sha256="00")
    return CaptionsStored(
        video_id="v",
        track=CaptionTrack(language=language, kind="subtitles", label=language, object=fact),
    )


async def test_replaced_and_removed_captions_are_deleted_and_no_others(bench: Bench) -> None:
    names = ("en-1", "en-2", "de-1", "never-named")
    await bench.put("v/master.m3u8", *(f"{FOLDER}/{name}.vtt" for name in names))
    await bench.record(*MADE)
    await bench.sweep(msgspec.structs.replace(JOB, state="completed"))
    assert await bench.listed() == set(), "a sweep after a transcode knows nothing of captions"
    await bench.studio.append(
        "video",
        "v",
        stored("en", "en-1"),
        stored("en", "en-2"),
        stored("de", "de-1"),
        CaptionsRemoved(video_id="v", language="de", removed_bytes=len(BODY)),
    )
    await project(bench.engine, *uploads("v", 1))
    await bench.execute("update transcoder.jobs set video_id = 'v', state = 'completed'")
    rounds = Reconciliation(
        ReconcileRepository(bench.engine),
        bench.studio.store,
        bench.media,
        bench.list,
        timedelta(seconds=-60),
    )
    await rounds.round(dry_run=False)
    listed = await bench.listed()
    assert {key for key in listed if key.startswith(FOLDER)} == {
        f"{FOLDER}/{name}.vtt" for name in ("en-1", "de-1", "never-named")
    }
    # Whatever is listed: the log is asked again.
    await bench.list.add("v", [f"{FOLDER}/en-2.vtt"], "unused")
    await bench.deleter.round()
    left = bench.studio.keys()
    assert [key for key in left if key.startswith(FOLDER)] == [f"{FOLDER}/en-2.vtt"]
    deleted = VideoDeleted(video_id="v", user_id="u", deleted_by="u")
    await bench.studio.append("video", "v", deleted, at=4)
    await bench.list.add("v", ["v/"], "deleted")
    await bench.deleter.round()
    assert bench.studio.keys() == []


async def test_captions_that_are_cut_or_missing_are_reported(bench: Bench) -> None:
    await bench.put(f"{FOLDER}/en-1.vtt")
    await bench.studio.append("video", "v", stored("en", "en-1", size=9), stored("de", "de-1"))
    await project(bench.engine, *uploads("v", 1))
    await bench.execute("update transcoder.jobs set video_id = 'v', state = 'failed'")
    rounds = Reconciliation(
        ReconcileRepository(bench.engine),
        bench.studio.store,
        bench.media,
        bench.list,
        timedelta(hours=1),
    )
    found = await rounds.round(dry_run=False)
    damaged = {each.subject: each.detail for each in found if each.action == "damaged"}
    assert damaged == {
        f"{FOLDER}/en-1.vtt": f"it has {len(BODY)} bytes, not 9",
        f"{FOLDER}/de-1.vtt": "it is missing",
    }
