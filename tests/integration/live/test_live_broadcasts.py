"""A session from its publisher to its video, through a real ffmpeg."""

import asyncio
import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from services.live.flv.sink import Stopped
from services.live.flv.tags import Tag
from services.live.origin.plain import PlainPlaylists
from services.live.origin.routes import Origin, origin_router
from services.live.ports import Session
from services.live.recording.finishing import VideoRecorder
from services.live.window.answers import Directives
from shared.contracts import (
    LiveDisconnected,
    LivePosterMade,
    LiveRecorded,
)
from shared.http.problems import EXCEPTION_HANDLERS
from tests.integration.live.stage import PUBLISHER, Stage, recorded, send
from tests.integration.transcoder.clips import decoded
from tests.support.flv_files import flv
from tests.support.wait import eventually


async def test_a_session_is_watched_and_becomes_a_video(stage: Stage, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    replica = stage.replica()
    sink = await replica.admit("good", PUBLISHER)
    await send(sink, tags)
    video = stage.sessions.video_id
    viewing = replica.viewing(video)
    assert viewing is not None
    await replica.report()
    assert stage.sessions.sending
    assert stage.sessions.health is not None
    assert stage.sessions.health.width == 320
    master = await viewing.playlist("index.m3u8", Directives())
    assert master is not None
    assert re.findall(r"^\S+\.m3u8$", master.body.decode(), re.M) == ["top.m3u8", "90.m3u8"]
    for name in ("top.m3u8", "90.m3u8", "a.m3u8"):
        playlist = await viewing.playlist(name, Directives())
        assert playlist is not None
        assert "#EXT-X-PART:" in playlist.body.decode()
    await sink.close("unpublished", clean=True)
    await recorded(replica)
    assert [event.clean for event in stage.found(LiveDisconnected)] == [True]
    assert len(stage.found(LivePosterMade)) == 1
    assert replica.running == 0
    stage.sessions.end()
    await replica.report()
    ended = await viewing.playlist("top.m3u8", Directives())
    assert ended is not None
    assert ended.body.decode().endswith("#EXT-X-ENDLIST\n")
    await VideoRecorder(stage.sessions, stage.blobs).record(video)
    (made,) = stage.found(LiveRecorded)
    assert made.duration_ms == pytest.approx(4000, abs=2)
    assert [(r.name, r.height, r.frame_rate) for r in made.renditions] == [
        ("top", 180, "25/1"),
        ("90", 90, "25/1"),
    ]
    folder = stage.dump()
    assert decoded(folder / "vod-top.m3u8") == decoded(folder / "vod-90.m3u8") == 100
    poster = stage.found(LivePosterMade)[0].poster_key
    assert stage.blobs._objects[poster][0].startswith(b"\xff\xd8")
    # It may be made again.
    await VideoRecorder(stage.sessions, stage.blobs).record(video)
    assert len(stage.found(LiveRecorded)) == 1


async def test_the_poster_follows_the_live_and_old_ones_are_deleted(
    stage: Stage, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, sound=False)
    now = 0.0
    replica = stage.replica(clock=lambda: now)

    async def publish() -> list[str]:
        sink = await replica.admit("good", PUBLISHER)
        await send(sink, tags)
        await sink.close("unpublished", clean=True)
        await recorded(replica)
        return [made.poster_key for made in stage.found(LivePosterMade)]

    def held() -> list[str]:
        return [key for key in stage.blobs.keys() if key.endswith(".jpg")]  # noqa: SIM118

    (first,) = await publish()
    # Not more often than once a minute, and nothing where the picture is the same.
    now = 59.0
    assert await publish() == [first]
    now = 61.0
    assert await publish() == [first]
    tags = flv(tmp_path / "other.flv", "-vf", "hue=h=90", gop=25, sound=False)
    now = 130.0
    _, second = await publish()
    assert second != first
    assert held() == sorted([first, second])
    # Another owner knows what is left over.
    now = 140.0
    replica = stage.replica("other", clock=lambda: now)
    assert await publish() == [first, second]
    now = 730.0
    await recorded(replica)
    assert held() == sorted([first, second])
    now = 741.0
    await recorded(replica)
    assert held() == [second]


class Seen:
    """A tap that keeps what it sees."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.tags: list[Tag] = []
        self.closed = False

    def offer(self, tag: Tag) -> None:
        assert not self.closed
        self.tags.append(tag)

    def close(self) -> None:
        self.closed = True


async def test_a_tap_sees_the_tags_of_each_publisher(stage: Stage, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, seconds=2)
    taps: list[Seen] = []

    def tap(session: Session) -> Seen:
        taps.append(Seen(session))
        return taps[-1]

    replica = stage.replica(tap=tap)
    first = await replica.admit("good", PUBLISHER)
    await send(first, tags)
    second = await replica.admit("good", PUBLISHER)
    with pytest.raises(Stopped):
        await send(first, tags[:9])
    await send(second, tags[:9])
    await second.close("unpublished", clean=True)
    assert [(seen.session.epoch, seen.closed) for seen in taps] == [(1, True), (2, True)]
    assert taps[0].tags == tags
    assert taps[1].tags == tags[:9]


async def test_another_replica_goes_on_behind_a_gap(stage: Stage, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    one, other = stage.replica("one"), stage.replica("other")
    sink = await one.admit("good", PUBLISHER)
    await send(sink, tags)
    # The first segment is in the log; the next one is whole, and only in the bucket.
    broadcast = one._broadcasts[stage.sessions.video_id]
    tracks = broadcast.window.tracks.values()
    await eventually(lambda: all(track.next_number > 1 for track in tracks))
    await recorded(one)
    assert stage.sessions.state.next_segment == 1
    await broadcast.detach()
    await broadcast.recorder.step(("top", "90", "a"))
    assert stage.sessions.state.next_segment == 1
    later = await other.admit("good", PUBLISHER)
    await send(later, tags)
    await later.close("lost", clean=False)
    await recorded(other)
    viewing = other.viewing(stage.sessions.video_id)
    assert viewing is not None
    playlist = await viewing.playlist("top.m3u8", Directives())
    assert playlist is not None
    lines = playlist.body.decode().splitlines()
    shown = [line for line in lines if line.endswith(".m4s")]
    earlier = [f"1/top/{number}.m4s" for number in range(4)]
    assert shown == [*earlier, "2/top/4.m4s", "2/top/5.m4s"]
    assert lines.count("#EXT-X-GAP") == 2
    assert lines.count("#EXT-X-DISCONTINUITY") == 1
    published = [
        (batch.epoch, batch.first_segment, len(batch.tracks[0].segments), batch.jump)
        for batch in stage.batches()
    ]
    assert published == [(1, 0, 1, False), (2, 1, 1, False), (2, 4, 2, True)]
    # What the first owner still wants is refused, and it lets go.
    await one.report()
    assert one.viewing(stage.sessions.video_id) is None
    with pytest.raises(Stopped):
        await send(sink, tags)
    stage.sessions.end()
    await VideoRecorder(stage.sessions, stage.blobs).record(stage.sessions.video_id)
    folder = stage.dump()
    (made,) = stage.found(LiveRecorded)
    assert made.duration_ms == pytest.approx(8000, abs=5)
    text = (folder / "vod-top.m3u8").read_text()
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert "GAP" not in text


async def test_a_publisher_that_comes_back_goes_on_in_the_same_window(
    stage: Stage, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    replica = stage.replica()
    first = await replica.admit("good", PUBLISHER)
    await send(first, tags)
    second = await replica.admit("good", PUBLISHER)
    await send(second, tags)
    with pytest.raises(Stopped, match="another connection"):
        await send(first, tags)
    await first.close("reset", clean=False)
    await second.close("unpublished", clean=True)
    await recorded(replica)
    (left,) = stage.found(LiveDisconnected)
    assert (left.epoch, left.clean) == (2, True)
    viewing = replica.viewing(stage.sessions.video_id)
    assert viewing is not None
    playlist = await viewing.playlist("top.m3u8", Directives())
    assert playlist is not None
    shown = [line for line in playlist.body.decode().splitlines() if line.endswith(".m4s")]
    assert shown == ["1/top/0.m4s", "1/top/1.m4s", "2/top/2.m4s", "2/top/3.m4s"]


async def test_gateways_ask_over_http(stage: Stage, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    replica = stage.replica()
    sink = await replica.admit("good", PUBLISHER)
    await send(sink, tags)
    await sink.close("unpublished", clean=True)
    await recorded(replica)
    plain = PlainPlaylists(stage.sessions, stage.blobs, dvr_seconds=3600)
    origin = Origin(replica, plain, stage.sessions)
    app = Litestar([origin_router(origin)], exception_handlers=EXCEPTION_HANDLERS)
    base = f"/internal/live/{stage.sessions.video_id}"
    async with AsyncTestClient(app) as client:
        assert (await client.get(f"{base}/owner")).status_code == 404
        stage.sessions.address = "http://10.0.0.7:8000"
        assert (await client.get(f"{base}/owner")).json() == {"address": "http://10.0.0.7:8000"}
        hot = await client.get(f"{base}/hot/top.m3u8?_HLS_msn=1&_HLS_part=0&_HLS_skip=YES")
        assert hot.status_code == 200
        assert hot.headers["cache-control"] == "public, max-age=1"
        part = await client.get(f"{base}/hot/1/top/0.0.m4s")
        assert part.headers["content-type"] == "video/iso.segment"
        assert "immutable" in part.headers["cache-control"]
        assert part.content[4:8] == b"moof"
        plain = await client.get(f"{base}/plain/top.m3u8")
        assert plain.text.count(".m4s") == 2
        master = await client.get(f"{base}/plain/index.m3u8")
        assert "RESOLUTION=320x180" in master.text
        for kind in ("hot", "plain"):
            manifest = await client.get(f"{base}/{kind}/live.mpd")
            assert manifest.headers["content-type"] == "application/dash+xml"
            assert manifest.text.count("<Representation ") == 3
        back = await client.get(f"{base}/plain/dvr.m3u8")
        assert "\ndvr-90.m3u8\n" in back.text
        assert 'DATA-ID="cinelog.dvr.playlist",VALUE="dvr.m3u8"' in master.text
        top = await client.get(f"{base}/plain/dvr-top.m3u8?_HLS_skip=YES")
        assert top.text.count("#EXTINF") == 2
        for wrong in (
            f"{base}/hot/9/top/0.m4s",
            f"{base}/hot/../x.m3u8",
            f"{base}/plain/none.m3u8",
            "/internal/live/x/hot/top.m3u8",
        ):
            assert (await client.get(wrong)).status_code == 404
        assert (await client.get(f"{base}/hot/top.m3u8?_HLS_msn=99")).status_code == 400


async def test_plain_playlists_read_each_event_once(stage: Stage, tmp_path: Path) -> None:
    sink = await stage.replica().admit("good", PUBLISHER)
    await send(sink, flv(tmp_path / "clip.flv", gop=25))
    await sink.close("unpublished", clean=True)
    await recorded(stage.replicas[0])
    plain = PlainPlaylists(stage.sessions, stage.blobs)
    video = stage.sessions.video_id
    asked = [plain.playlist(video, name) for name in ("top.m3u8", "90.m3u8", "index.m3u8") * 20]
    texts = await asyncio.gather(*asked)
    assert all(texts)
    assert texts[0] is texts[3]
    read = stage.sessions.read
    assert read == len(stage.sessions.events)
