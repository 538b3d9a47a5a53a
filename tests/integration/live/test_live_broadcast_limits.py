"""Publishers that are refused or stopped, and sessions that end for it."""

from pathlib import Path

import pytest

from services.live.flv.sink import OverLimit, Stopped
from services.live.flv.tags import Tag
from services.live.packaging.limits import MediaLimits
from services.live.ports import Refused
from services.live.recording.finishing import VideoRecorder
from shared.contracts import (
    LiveEnded,
    LiveRecorded,
)
from tests.integration.live.stage import PUBLISHER, Stage, recorded, send
from tests.support.flv_files import flv


async def test_a_publisher_is_stopped_where_the_sessions_say_so(
    stage: Stage, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    replica = stage.replica()
    sink = await replica.admit("good", PUBLISHER)
    await sink.take(tags[0])
    stage.sessions.stop = "the stream was disabled"
    await replica.report()
    with pytest.raises(Stopped, match="disabled"):
        await sink.take(tags[1])
    await sink.close("stopped", clean=False)


async def test_a_server_without_room_refuses(stage: Stage) -> None:
    replica = stage.replica()
    with pytest.raises(Refused) as refused:
        await replica.admit("bad", PUBLISHER)
    assert refused.value.code == "unknown_key"
    replica.drain()
    with pytest.raises(Refused) as refused:
        await replica.admit("good", PUBLISHER)
    assert refused.value.code == "busy"


async def test_a_publisher_that_sends_too_much_ends_its_session(
    stage: Stage, tmp_path: Path
) -> None:
    replica = stage.replica(limits=MediaLimits(bit_rate=20_000))
    sink = await replica.admit("good", PUBLISHER)
    with pytest.raises(OverLimit, match=r"more than the 0.02 Mbit/s"):
        await send(sink, flv(tmp_path / "clip.flv", gop=25, seconds=6))
    await sink.close("more than allowed", clean=False)
    await recorded(replica)
    (ended,) = stage.found(LiveEnded)
    assert ended.reason == "It sends more than the 0.02 Mbit/s that a live may have."
    # What it had sent until then is a video.
    await VideoRecorder(stage.sessions, stage.blobs).record(stage.sessions.video_id)
    (made,) = stage.found(LiveRecorded)
    assert made.duration_ms > 500


@pytest.mark.parametrize("first", ["160x90", "320x180"])
async def test_a_picture_that_is_too_large_ends_the_session(
    stage: Stage, tmp_path: Path, first: str
) -> None:
    """At once, or where the publisher changes it."""
    replica = stage.replica(limits=MediaLimits(pixels=200 * 120))
    sink = await replica.admit("good", PUBLISHER)
    small = flv(tmp_path / "small.flv", gop=25, seconds=2, size=first)
    large = flv(tmp_path / "large.flv", gop=25, seconds=2)
    later = [Tag(tag.kind, tag.milliseconds + 2000, tag.body) for tag in large]
    with pytest.raises(OverLimit, match="320×180 is too large"):
        await send(sink, [*small, *later])
    await sink.close("more than allowed", clean=False)
    await recorded(replica)
    (ended,) = stage.found(LiveEnded)
    assert "320×180 is too large" in ended.reason
    assert bool(stage.batches()) == (first == "160x90")


async def test_a_full_replica_takes_over_what_runs_and_begins_nothing(stage: Stage) -> None:
    full, other = stage.replica("full"), stage.replica("other")
    full._capacity.used = 1000.0
    with pytest.raises(Refused, match="no room for another stream") as refused:
        await full.admit("good", PUBLISHER)
    assert refused.value.code == "busy"
    # Another one takes it; once it runs, the full one does, too.
    sink = await other.admit("good", PUBLISHER)
    await sink.close("gone", clean=False)
    await full.admit("good", PUBLISHER)
    assert stage.sessions.state.epoch == 2
