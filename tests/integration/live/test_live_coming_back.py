"""Publishers that come back, to the replica that has their session and to one that had it."""

import asyncio
from pathlib import Path

import pytest

from services.live.broadcasts.broadcasts import Broadcasts
from services.live.ports import Credential, Entrance, Publisher, Session
from services.live.recording.finishing import VideoRecorder
from shared.contracts import LiveRecorded
from tests.integration.live.stage import PUBLISHER, Flush, Stage, recorded, send
from tests.support.flv_files import flv


async def length(stage: Stage) -> int:
    """Of the finished video, in milliseconds."""
    stage.sessions.end()
    await VideoRecorder(stage.sessions, stage.blobs).record(stage.sessions.video_id)
    (made,) = stage.found(LiveRecorded)
    return made.duration_ms


async def test_an_owner_of_before_goes_on_behind_what_another_one_has_added(
    stage: Stage, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    one, other = stage.replica("one"), stage.replica("other")
    # Nobody has told the first one meanwhile that it had lost the session.
    for replica in (one, other, one):
        sink = await replica.admit("good", PUBLISHER)
        await send(sink, tags)
        await sink.close("lost", clean=False)
        await recorded(replica)
    assert await length(stage) == pytest.approx(12_000, abs=20)


async def test_a_report_of_the_time_before_ends_nobody_who_comes_back(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    replica: Broadcasts = stage.replica()
    first = await replica.admit("good", PUBLISHER)
    await send(first, tags)
    connect = stage.sessions.connect

    async def connect_and_report(
        credential: Credential, publisher: Publisher, entrance: Entrance | None = None
    ) -> Session:
        session = await connect(credential, publisher, entrance)
        # The log has the new epoch, and the replica reports the old one.
        await replica.report()
        return session

    monkeypatch.setattr(stage.sessions, "connect", connect_and_report)
    second = await replica.admit("good", PUBLISHER)
    await send(second, tags)
    assert replica.viewing(stage.sessions.video_id) is not None
    await replica.report()
    await second.close("unpublished", clean=True)
    await recorded(replica)
    assert await length(stage) == pytest.approx(8000, abs=20)


async def test_the_end_of_a_broadcast_takes_nothing_from_the_one_that_follows(
    *, stage: Stage, tmp_path: Path, flush: Flush, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits on disk for the storage."""
    monkeypatch.setattr("services.live.recording.segment_queue._MEMORY_BYTES", 0)
    tags = flv(tmp_path / "clip.flv", gop=25)
    one, other = stage.replica("one"), stage.replica("other")
    await send(await one.admit("good", PUBLISHER), tags)
    await other.admit("good", PUBLISHER)
    # The first one learns that it has lost the session, and its publisher is there again.
    losing = asyncio.create_task(one.report())
    await flush.begun.wait()
    sink = await one.admit("good", PUBLISHER)
    await send(sink, tags)
    await sink.close("unpublished", clean=True)
    await one._broadcasts[stage.sessions.video_id].recorder._queue.written()
    flush.go_on.set()
    await losing
    await recorded(one)
    assert await length(stage) == pytest.approx(4000, abs=50)
