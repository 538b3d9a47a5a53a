"""The storage goes away during a live, and comes back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.live.broadcasts.broadcasts import Broadcasts
from services.live.flv.sink import Stopped
from services.live.ports import Refused
from services.live.recording.finishing import VideoRecorder
from services.live.recording.spool import Spool
from services.live.window.answers import Directives
from shared.blobs.s3 import S3Store, s3_client
from shared.contracts import LiveDisconnected, LiveEnded, LiveRecorded
from shared.mp4.fragment_reader import read_fragments
from tests.integration.gateway.rig import Wire
from tests.integration.live.stage import PUBLISHER, Stage, recorded, send
from tests.support.buckets import Buckets
from tests.support.flv_files import flv
from tests.support.wait import eventually

FRAMES = 100


class Outage:
    """A stage whose storage is a real one behind a cable."""

    def __init__(self, stage: Stage, cable: Wire, folder: Path) -> None:
        self.stage = stage
        self.cable = cable
        self.now = 0.0
        self.tags = flv(folder / "clip.flv", gop=25)

    def replica(self, spool: Spool | None = None) -> Broadcasts:
        return self.stage.replica(clock=lambda: self.now, spool=spool)

    async def publish(self, replica: Broadcasts) -> None:
        """Four seconds, from a publisher that is gone afterwards."""
        sink = await replica.admit("good", PUBLISHER)
        await send(sink, self.tags)
        await sink.close("lost", clean=False)

    async def video(self) -> dict[str, int]:
        """The pictures of each rendition of the finished video."""
        await VideoRecorder(self.stage.sessions, self.stage.store).record(self.video_id)
        (made,) = self.stage.found(LiveRecorded)
        return {each.name: await self._pictures(each.name) for each in made.renditions}

    async def _pictures(self, rendition: str) -> int:
        folder, store = f"{self.video_id}/live", self.stage.store
        playlist = (await store.read(f"{folder}/vod-{rendition}.m3u8")).decode()
        assert "EXT-X-GAP" not in playlist
        names = [line for line in playlist.splitlines() if line.endswith(".m4s")]
        segments = [read_fragments(await store.read(f"{folder}/{name}")) for name in names]
        return sum(fragment.samples for segment in segments for fragment in segment)

    @property
    def video_id(self) -> str:
        return self.stage.sessions.video_id


@pytest.fixture
async def outage(tmp_path: Path, s3: Buckets) -> AsyncIterator[Outage]:
    async with (
        Wire(s3.endpoint).running() as cable,
        s3_client(cable.url, s3.region, s3.access_key, s3.secret_key, answer_seconds=2) as client,
    ):
        stage = Stage(tmp_path, S3Store(client, s3.media))
        yield Outage(stage, cable, tmp_path)
        cable.mend()
        for replica in stage.replicas:
            await replica.close()


async def shown(replica: Broadcasts, video_id: str) -> list[str]:
    """The segments of the playlist, each of which can be had."""
    viewing = replica.viewing(video_id)
    assert viewing is not None
    playlist = await viewing.playlist("top.m3u8", Directives())
    assert playlist is not None
    found = [line for line in playlist.body.decode().splitlines() if line.endswith(".m4s")]
    for name in found:
        answer = await viewing.media(name)
        assert answer is not None
        assert answer.body[4:8] == b"moof"
    return found


async def test_a_live_goes_on_over_an_outage_and_its_video_is_whole(outage: Outage) -> None:
    replica = outage.replica()
    await outage.publish(replica)
    await recorded(replica)
    assert len(outage.stage.batches()) > 0
    outage.cable.cut()
    before = len(outage.stage.batches())
    sink = await replica.admit("good", PUBLISHER)
    await send(sink, outage.tags[:-1])
    tracks = replica._broadcasts[outage.video_id].window.tracks.values()
    await eventually(lambda: all(track.next_number > 3 for track in tracks))
    outage.now = 599.0
    await recorded(replica)
    await sink.take(outage.tags[-1])
    playable = await shown(replica, outage.video_id)
    assert playable == ["1/top/0.m4s", "1/top/1.m4s", "2/top/2.m4s"]
    await sink.close("unpublished", clean=True)
    assert len(outage.stage.batches()) == before
    assert len(outage.stage.found(LiveDisconnected)) == 1
    outage.cable.mend()
    await recorded(replica)
    assert len(outage.stage.found(LiveDisconnected)) == 2
    # Nothing is left over that would end what follows.
    await outage.publish(replica)
    await recorded(replica)
    assert outage.stage.found(LiveEnded) == []
    outage.stage.sessions.end()
    assert await outage.video() == {"top": 3 * FRAMES, "90": 3 * FRAMES}


async def test_a_live_ends_in_words_when_the_outage_lasts_and_its_video_is_whole(
    outage: Outage,
) -> None:
    replica = outage.replica()
    await outage.publish(replica)
    await recorded(replica)
    outage.cable.cut()
    sink = await replica.admit("good", PUBLISHER)
    await send(sink, outage.tags)
    tracks = replica._broadcasts[outage.video_id].window.tracks.values()
    await eventually(lambda: all(track.next_number > 3 for track in tracks))
    outage.now = 601.0
    await recorded(replica)
    with pytest.raises(Stopped, match="The storage is away for too long"):
        await sink.take(outage.tags[-1])
    (ended,) = outage.stage.found(LiveEnded)
    assert ended.reason == "The storage is away for too long."
    await sink.close("stopped", clean=False)
    # What the publisher had sent until then is stored once that can be done.
    await replica.report()
    outage.cable.mend()
    await recorded(replica)
    assert replica.running == 0
    assert await outage.video() == {"top": 2 * FRAMES, "90": 2 * FRAMES}


async def test_a_video_ends_where_no_room_was_left_for_it(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.live.recording.segment_queue._MEMORY_BYTES", 0)
    replica = outage.replica(Spool(0))
    await outage.publish(replica)
    await recorded(replica)
    assert outage.stage.found(LiveEnded)[0].reason == "The storage is away for too long."
    assert replica.running == 0


async def test_a_video_that_had_no_room_ends_in_all_renditions_alike(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = outage.replica(Spool(0))
    await outage.publish(replica)
    await recorded(replica)
    outage.cable.cut()
    # Room for the small renditions and the sound, and not for the picture that was sent.
    broadcast = replica._broadcasts[outage.video_id]
    tracks = broadcast.window.tracks
    picture = max(segment.size for segment in tracks["top"].segments.values())
    monkeypatch.setattr("services.live.recording.segment_queue._MEMORY_BYTES", picture // 2)
    await outage.publish(replica)
    await recorded(replica)
    (ended,) = outage.stage.found(LiveEnded)
    assert ended.reason == "The storage is away for too long."
    outage.cable.mend()
    await recorded(replica)
    assert replica.running == 0
    assert await outage.video() == {"top": FRAMES, "90": FRAMES}


async def test_what_waits_at_one_replica_is_not_lost_to_another(outage: Outage) -> None:
    one, other = outage.replica(), outage.replica()
    await outage.publish(one)
    await recorded(one)
    outage.cable.cut()
    await outage.publish(one)
    # The other one could not go on with the session, and does not take it.
    with pytest.raises(Refused, match="cannot be continued here") as refused:
        await other.admit("good", PUBLISHER)
    assert refused.value.code == "unavailable"
    await one.report()
    outage.cable.mend()
    await recorded(one)
    await outage.publish(other)
    await recorded(other)
    outage.stage.sessions.end()
    assert await outage.video() == {"top": 3 * FRAMES, "90": 3 * FRAMES}
