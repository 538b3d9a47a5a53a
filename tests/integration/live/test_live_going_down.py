"""A replica ends, and has recorded all that it took from its publishers."""

import asyncio
from pathlib import Path

import pytest

from services.live.broadcasts.broadcast import PublisherSink
from services.live.rtmp import server as rtmp_server
from services.live.rtmp.server import RtmpServer
from shared.contracts import LiveDisconnected
from shared.loops.cancellation import end
from shared.programs.finding import find_ffmpeg
from shared.settings import Address
from tests.integration.live.stage import PUBLISHER, Flush, Stage, send
from tests.support.flv_files import flv

SECONDS = 4


async def published(stage: Stage) -> PublisherSink:
    sink = await stage.replica().admit("good", PUBLISHER)
    await send(sink, flv(stage.folder / "clip.flv", seconds=SECONDS))
    return sink


def seconds(stage: Stage) -> float:
    """Of the picture, in the log."""
    tracks = [track for batch in stage.batches() for track in batch.tracks if track.name == "top"]
    return sum(s.duration / track.timescale for track in tracks for s in track.segments)


async def ended(stage: Stage, flush: Flush) -> None:
    """The process's end, while the last is still on its way."""
    ending = asyncio.create_task(stage.replicas[0].close())
    await flush.begun.wait()
    flush.go_on.set()
    await ending
    assert seconds(stage) == pytest.approx(SECONDS, abs=0.1)
    assert len(stage.found(LiveDisconnected)) == 1


async def test_a_publisher_that_is_going_loses_nothing(stage: Stage, flush: Flush) -> None:
    sink = await published(stage)
    going = asyncio.create_task(sink.close("the server is going down", clean=False))
    await flush.begun.wait()
    await ended(stage, flush)
    await going


async def test_a_publisher_that_has_no_more_time_to_go_loses_nothing(
    stage: Stage, flush: Flush
) -> None:
    sink = await published(stage)
    going = asyncio.create_task(sink.close("the server is going down", clean=False))
    await flush.begun.wait()
    await end([going])
    await ended(stage, flush)


async def test_a_publisher_that_has_not_gone_loses_nothing(stage: Stage, flush: Flush) -> None:
    await published(stage)
    await ended(stage, flush)


async def test_the_end_of_a_server_loses_nothing_of_who_has_gone_already(
    stage: Stage, flush: Flush, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rtmp_server, "_GOING_SECONDS", 0.1)
    server = RtmpServer(stage.replica())
    port = await server.listen(Address("127.0.0.1", 0))
    flv(tmp_path / "clip.flv", seconds=SECONDS)
    process = await asyncio.create_subprocess_exec(
        *(find_ffmpeg(None), "-nostdin", "-v", "error", "-i", str(tmp_path / "clip.flv")),
        *("-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{port}/live/good"),
    )
    assert await process.wait() == 0
    await flush.begun.wait()
    await server.close()
    await ended(stage, flush)
