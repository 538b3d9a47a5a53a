"""What goes into the log in which batches, and the playlists that come of it."""

import threading
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from services.live import object_keys
from services.live.packaging.fragments import Init, Part
from services.live.recording import dash
from services.live.recording.batches import Batches
from services.live.recording.history import History, newest, read_history
from services.live.recording.playlists import media_playlist, multivariant, published_renditions
from services.live.recording.running import WINDOW, dvr, running_playlist
from services.live.recording.segment_queue import Item, SegmentQueue, StorageAway
from services.live.recording.spool import Spool
from services.live.window.segments import Segment
from shared.contracts import Event, LiveEnded, LivePublished

PICTURE = Init(b"picture", 90_000, "avc1.64001E", 640, 360)
SOUND = Init(b"sound", 48_000, "mp4a.40.2")
OTHER = Init(b"other", 90_000, "avc1.640028", 1280, 720)
BEGAN = 1_800_000_000.0
BOTH = ("top", "a")


def segment(number: int, track: str = "top", jumps: int = 0, init: Init = PICTURE) -> Segment:
    scale = init.timescale
    return Segment(
        number=number,
        folder=f"v/live/1/{track}",
        init_key=f"v/live/1/{track}/init-{init.data.decode()}.mp4",
        timescale=scale,
        jumps=jumps,
        start=2 * number * scale,
        duration=2 * scale,
        at=BEGAN + 2 * number,
        parts=[Part(b"x" * 5000, 2 * number * scale, 2 * scale, key=True, key_bytes=700)],
        done=True,
    )


class Stage:
    """Segments through queue and batches, as the recorder brings them."""

    def __init__(self, tmp_path: Path, next_segment: int = 0, jumps: int = 0) -> None:
        self.queue = SegmentQueue(tmp_path / "segments", Spool().share("ann"))
        self.batches = Batches("v", next_segment, jumps)
        self.events: list[LivePublished] = []

    def store(self, number: int, *tracks: str, jumps: int = 0, init: Init = PICTURE) -> None:
        for track in tracks:
            made = SOUND if track == "a" else init
            self.queue.add(track, segment(number, track, jumps, made), made)
            items = self.queue.first(1)
            self.queue.remove(items)
            self.batches.stored(items[0])

    def publish(self, *, everything: bool = False) -> list[tuple[int, int]]:
        """The first numbers of all batches that can be made, and how many segments they have."""
        made: list[tuple[int, int]] = []
        while items := self.batches.batch(BOTH, everything=everything):
            event = self.batches.event(1, items)
            self.events.append(event)
            self.batches.published(items)
            made.append((event.first_segment, max(len(t.segments) for t in event.tracks)))
        return made

    def history(self, *more: Event) -> History:
        return read_history("v", [*self.events, *more])


ENDED = LiveEnded(video_id="v", live_id="l", user_id="u", reason="complete")


def test_the_first_segment_is_published_alone_then_eight_seconds(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.store(0, "top")
    assert stage.publish() == []
    stage.store(0, "a")
    assert stage.publish() == [(0, 1)]
    for number in (1, 2, 3):
        stage.store(number, *BOTH)
    assert stage.publish() == []
    stage.store(4, *BOTH)
    assert stage.publish() == [(1, 4)]
    assert stage.batches.next_segment == 5


def test_what_is_left_is_published_at_the_end(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.store(0, *BOTH)
    stage.publish()
    stage.store(1, *BOTH)
    stage.store(2, "top")
    assert stage.publish() == []
    assert stage.publish(everything=True) == [(1, 2)]
    assert [len(track.segments) for track in stage.events[-1].tracks] == [2, 1]


def test_a_discontinuity_begins_a_batch(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.store(0, *BOTH)
    stage.publish()
    stage.store(1, *BOTH)
    stage.store(2, *BOTH, jumps=1, init=OTHER)
    assert stage.publish() == [(1, 1)]
    assert stage.publish(everything=True) == [(2, 1)]
    assert [event.jump for event in stage.events] == [False, False, True]


def test_a_silent_track_is_not_awaited_for_long(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.store(0, *BOTH)
    stage.publish()
    for number in range(1, 9):
        stage.store(number, "top")
    assert stage.publish() == []
    stage.store(9, "top")
    assert stage.publish() == [(1, 4)]


def test_a_repeated_segment_is_not_published_twice(tmp_path: Path) -> None:
    stage = Stage(tmp_path, next_segment=5)
    stage.store(4, *BOTH)
    assert stage.publish(everything=True) == []
    stage.store(5, *BOTH)
    assert stage.publish(everything=True) == [(5, 1)]


def test_a_batch_is_the_same_until_it_is_in_the_log(tmp_path: Path) -> None:
    """The log takes a larger one with the same beginning for its repetition."""
    stage = Stage(tmp_path)
    stage.store(0, *BOTH)
    given = stage.batches.batch(BOTH)
    stage.store(1, *BOTH)
    assert stage.batches.batch(BOTH, everything=True) == given
    assert stage.publish(everything=True) == [(0, 1), (1, 1)]


async def test_segments_wait_on_disk_where_memory_does_not_suffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.live.recording.segment_queue._MEMORY_BYTES", 12_000)
    spool = Spool(24_000)
    queue = SegmentQueue(tmp_path / "segments", spool.share("ann"))
    for number in range(4):
        queue.add("top", segment(number), PICTURE)
    await queue.written()
    files = sorted(path.name for path in (tmp_path / "segments").iterdir())
    assert files == ["top-2.m4s", "top-3.m4s"]
    assert all(item.data == b"" for item in queue.first(4)[2:])
    # What one session has there, another one of its user has not.
    another = SegmentQueue(tmp_path / "other", spool.share("ann"))
    for number in range(2):
        another.add("top", segment(number), PICTURE)
    for full in (queue, another):
        with pytest.raises(StorageAway):
            full.add("top", segment(4), PICTURE)
    # Somebody else has room.
    neighbour = SegmentQueue(tmp_path / "neighbour", spool.share("bob"))
    for number in range(3):
        neighbour.add("top", segment(number), PICTURE)
    await neighbour.written()
    neighbour.drop()
    items: list[Item] = queue.first(4)
    assert [await item.read() for item in items] == [b"x" * 5000] * 4
    queue.remove(items)
    assert list((tmp_path / "segments").iterdir()) == []
    assert all(item.segment.stored for item in items)
    assert spool.used == 0
    another.add("top", segment(5), PICTURE)
    another.drop()
    assert (len(another), spool.used) == (0, 0)


async def test_a_disk_that_hangs_takes_no_memory_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def hang(path: Path, data: bytes) -> None:
        assert go_on.wait(10)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    monkeypatch.setattr("services.live.recording.segment_queue._write_file", hang)
    monkeypatch.setattr("services.live.recording.segment_queue._MEMORY_BYTES", 0)
    monkeypatch.setattr("services.live.recording.segment_queue._UNWRITTEN_BYTES", 12_000)
    queue = SegmentQueue(tmp_path / "segments", Spool().share("ann"))
    queue.add("top", segment(0), PICTURE)
    queue.add("top", segment(1), PICTURE)
    with pytest.raises(StorageAway):
        queue.add("top", segment(2), PICTURE)
    # Meanwhile the bucket takes what is not on disk yet.
    items = queue.first(1)
    assert [await item.read() for item in items] == [b"x" * 5000]
    queue.remove(items)
    go_on.set()
    await queue.written()
    assert [path.name for path in (tmp_path / "segments").iterdir()] == ["top-1.m4s"]


async def test_what_a_full_disk_does_not_take_waits_in_memory_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.live.recording.segment_queue._MEMORY_BYTES", 0)
    monkeypatch.setattr("services.live.recording.segment_queue._UNWRITTEN_BYTES", 12_000)
    folder = tmp_path / "segments"
    folder.write_text("no folder")
    queue = SegmentQueue(folder, Spool().share("ann"))
    for number in (0, 1):
        queue.add("top", segment(number), PICTURE)
        await queue.written()
    with pytest.raises(StorageAway):
        queue.add("top", segment(2), PICTURE)
    assert [await item.read() for item in queue.first(2)] == [b"x" * 5000] * 2
    # The bucket takes one of them, and the disk is there again.
    queue.remove(queue.first(1))
    folder.unlink()
    queue.add("top", segment(3), PICTURE)
    await queue.written()
    assert sorted(path.name for path in folder.iterdir()) == ["top-1.m4s", "top-3.m4s"]


async def test_segments_that_are_forgotten_while_they_are_stored_are_not_removed_twice(
    tmp_path: Path,
) -> None:
    spool = Spool()
    queue = SegmentQueue(tmp_path / "segments", spool.share("ann"))
    for number in range(3):
        queue.add("top", segment(number), PICTURE)
    under_way = queue.first(3)
    queue.forget_from(1)
    assert [item.number for item in queue.remove(under_way)] == [0]
    assert len(queue) == 0
    queue.add("top", segment(5), PICTURE)
    under_way = queue.first(1)
    queue.drop()
    assert queue.remove(under_way) == []
    assert spool.used == 0


def recorded(tmp_path: Path) -> Stage:
    """Two segments, then two of another size behind a discontinuity; sound misses one."""
    stage = Stage(tmp_path)
    stage.store(0, *BOTH)
    stage.publish(everything=True)
    stage.store(1, "top")
    stage.publish(everything=True)
    stage.store(4, *BOTH, jumps=1, init=OTHER)
    stage.store(5, *BOTH, jumps=1, init=OTHER)
    stage.publish(everything=True)
    return stage


def test_the_playlist_of_a_running_session_counts_as_the_windows_do(tmp_path: Path) -> None:
    text = running_playlist(recorded(tmp_path).history(), "a", WINDOW)
    assert text == "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:9",
            "#EXT-X-TARGETDURATION:4",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-DISCONTINUITY-SEQUENCE:0",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z",
            '#EXT-X-MAP:URI="1/a/init-sound.mp4"',
            "#EXTINF:2.00000,",
            "1/a/0.m4s",
            "#EXT-X-GAP",
            "#EXTINF:2.00000,",
            "1/a/1.m4s",
            "#EXT-X-GAP",
            "#EXTINF:0.05000,",
            "1/a/2.m4s",
            "#EXT-X-GAP",
            "#EXTINF:0.05000,",
            "1/a/3.m4s",
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:08.000Z",
            "#EXTINF:2.00000,",
            "1/a/4.m4s",
            "#EXTINF:2.00000,",
            "1/a/5.m4s",
            "",
        ]
    )


def long_history(tmp_path: Path, *, jump_at: int | None = None) -> History:
    """Ten minutes; with ``jump_at``, another ffmpeg from that number on."""
    stage = Stage(tmp_path)
    for number in range(300):
        stage.store(number, *BOTH, jumps=jump_at is not None and number >= jump_at)
    stage.publish(everything=True)
    return stage.history()


def test_a_window_of_the_log_is_a_minute(tmp_path: Path) -> None:
    text = running_playlist(long_history(tmp_path), "top", WINDOW) or ""
    assert "#EXT-X-MEDIA-SEQUENCE:270\n" in text
    assert text.count("#EXTINF") == 30


def test_a_playlist_for_going_back_is_loaded_rarely_and_updated(tmp_path: Path) -> None:
    history = long_history(tmp_path)
    text = running_playlist(history, "top", dvr(500)) or ""
    assert "#EXT-X-MEDIA-SEQUENCE:50\n" in text
    assert "#EXT-X-TARGETDURATION:10\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=60.0\n" in text
    assert text.count("#EXTINF") == 250
    update = running_playlist(history, "top", dvr(500), skip=True) or ""
    assert "#EXT-X-MEDIA-SEQUENCE:50\n" in update
    skipped = int(update.partition("SKIPPED-SEGMENTS=")[2].split("\n")[0])
    assert skipped + update.count("#EXTINF") == 250
    assert "#EXT-X-MAP" not in update
    assert f"\n1/top/{50 + skipped}.m4s\n" in update


def test_an_update_for_going_back_is_whole_over_a_discontinuity(tmp_path: Path) -> None:
    history = long_history(tmp_path, jump_at=200)
    text = running_playlist(history, "top", dvr(500), skip=True) or ""
    assert "EXT-X-SKIP" not in text
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    later = running_playlist(history, "top", dvr(150), skip=True) or ""
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in later
    assert "EXT-X-SKIP" in later


def test_a_history_may_be_read_on(tmp_path: Path) -> None:
    stage = recorded(tmp_path)
    whole = stage.history(ENDED)
    before = read_history("v", stage.events[:2])
    assert read_history("v", [*stage.events[2:], ENDED], before) == whole
    assert whole.events == 4
    kept = newest(whole, 5)
    assert kept.numbers == [4, 5]
    assert list(kept.anchors) == [1]
    assert kept.began == whole.began


def test_the_playlist_of_the_recording_has_an_end(tmp_path: Path) -> None:
    text = media_playlist(recorded(tmp_path).history(ENDED), "top") or ""
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert text.endswith("1/top/5.m4s\n#EXT-X-ENDLIST\n")
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert text.count("#EXT-X-MAP") == 2


def test_the_multivariant_playlist_of_the_recording(tmp_path: Path) -> None:
    history = recorded(tmp_path).history(ENDED)
    text = multivariant(history, {"top": (1280, 720)}, object_keys.recorded_playlist) or ""
    assert '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio"' in text
    assert 'URI="vod-a.m3u8"' in text
    line = next(line for line in text.splitlines() if line.startswith("#EXT-X-STREAM-INF"))
    assert "BANDWIDTH=40000," in line
    assert 'CODECS="avc1.64001E,avc1.640028,mp4a.40.2"' in line
    assert "RESOLUTION=1280x720" in line
    assert text.endswith("vod-top.m3u8\n")
    (top,) = published_renditions(history, {"top": (1280, 720)}, "30/1")
    assert (top.name, top.height, top.bandwidth) == ("top", 720, 40_000)


def test_a_rung_that_ended_on_the_way_is_not_in_the_recording(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.store(0, "top", "240", "a")
    stage.store(1, "top", "a")
    stage.publish(everything=True)
    text = multivariant(stage.history(ENDED), {}, object_keys.recorded_playlist) or ""
    assert "240" not in text


def test_the_manifest_has_a_period_for_each_discontinuity(tmp_path: Path) -> None:
    text = dash.manifest(recorded(tmp_path).history(ENDED), {"top": (1280, 720)})
    space = {"d": "urn:mpeg:dash:schema:mpd:2011"}
    root = Xml.fromstring(text)
    periods = root.findall("d:Period", space)
    assert [(p.get("start"), p.get("duration")) for p in periods] == [
        ("PT0.000S", "PT4.000S"),
        ("PT4.000S", "PT4.000S"),
    ]
    assert root.get("mediaPresentationDuration") == "PT8.000S"
    lists = periods[1].findall(".//d:SegmentList", space)
    assert {one.get("presentationTimeOffset") for one in lists} == {"720000", "384000"}
    urls = [url.get("media") for url in periods[1].findall(".//d:SegmentURL", space)]
    assert urls == ["1/top/4.m4s", "1/top/5.m4s", "1/a/4.m4s", "1/a/5.m4s"]


def test_a_session_without_segments_has_no_playlist() -> None:
    empty = read_history("v", [ENDED])
    assert media_playlist(empty, "top") is None
    assert multivariant(empty, {}, object_keys.recorded_playlist) is None
    assert empty.ended
