"""The manifest of a running session: what no update changes, and what it leaves out."""

from pathlib import Path
from xml.etree import ElementTree as Xml

from services.live.packaging.fragments import Init, Part
from services.live.packaging.layout import Layout, Rung, Sound
from services.live.recording import periods as of_log
from services.live.recording.batches import Batches
from services.live.recording.history import History, read_history
from services.live.recording.segment_queue import SegmentQueue
from services.live.recording.spool import Spool
from services.live.window.dash import manifest
from services.live.window.periods import presentation
from services.live.window.segments import Segment, Window
from shared.contracts import LivePublished

LAYOUT = Layout(
    (Rung("top", copied=True), Rung("240", 240)), Sound("aac", copied=True), keys="publisher"
)
INITS = {
    "top": Init(b"init", 90_000, "avc1.64001E", 1280, 720),
    "240": Init(b"rung", 90_000, "avc1.640015", 426, 240),
    "a": Init(b"sound", 48_000, "mp4a.40.2"),
}
ALL = ("a", "240", "top")
BEGAN = 1_800_000_000.123456
NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}


class Stage:
    """A window whose whole segments go into a log; tracks' times begin at one second."""

    def __init__(self, folder: Path, *, before: History | None = None) -> None:
        self.queue = SegmentQueue(folder, Spool().share("ann"))
        jumps = before.jumps if before else 0
        following = before.next_segment if before else 0
        self.batches = Batches("v", following, jumps)
        self.events: list[LivePublished] = []
        self.window = Window(
            "v",
            next_number=following,
            jumps=jumps,
            finished=self.whole,
            changed=lambda: None,
        )
        self.window.epoch = 2 if before else 1
        if before is not None:
            self.window.restore_anchors(before.began, before.anchors)
            for name, entries in before.tracks.items():
                for entry in entries:
                    self.window.restore(name, restored(entry), INITS[name])

    def begin(self) -> None:
        self.window.begin(LAYOUT)
        for name, init in INITS.items():
            self.window.init(name, init)

    def whole(self, track: str, segment: Segment, init: Init) -> None:
        self.queue.add(track, segment, init)
        for item in self.queue.first(1):
            self.queue.remove([item])
            self.batches.stored(item)

    def segments(
        self, *numbers: int, at: float, tracks: tuple[str, ...] = ("a", "240", "top")
    ) -> None:
        """Whole segments of two seconds; ``at``: when the first one is, after the beginning."""
        for place, number in enumerate(numbers):
            for name in tracks:
                scale = INITS[name].timescale
                part = Part(b"p" * 1000, (1 + 2 * place) * scale, 2 * scale, key=True)
                self.window.part(name, number, part, BEGAN + at + 2 * place)
        self.window.end()

    def publish(self) -> History:
        while items := self.batches.batch(INITS, everything=True):
            self.events.append(self.batches.event(self.window.epoch, items))
            self.batches.published(items)
        return read_history("v", self.events)

    def shown(self) -> Xml.Element:
        found = presentation(self.window)
        assert found is not None
        return Xml.fromstring(manifest(found, BEGAN + 100))


def restored(entry: object) -> Segment:
    from services.live.broadcasts.broadcast import _segment

    return _segment(entry)  # type: ignore[arg-type]


def of_history(history: History) -> Xml.Element:
    sizes = {name: (init.width, init.height) for name, init in INITS.items()}
    found = of_log.presentation(history, sizes)
    assert found is not None
    return Xml.fromstring(manifest(found, BEGAN + 100))


def fixed(root: Xml.Element) -> dict[str, tuple[str | None, set[str | None]]]:
    """By period what no update may change: its start, and the times that the start is of."""
    return {
        period.get("id") or "": (
            period.get("start"),
            {t.get("presentationTimeOffset") for t in period.findall(".//d:SegmentTemplate", NS)},
        )
        for period in root.findall("d:Period", NS)
    }


def listed(root: Xml.Element, period: int, track: str) -> list[int]:
    """The numbers of a track's segments in a period."""
    shown = root.findall("d:Period", NS)[period].find(f".//d:Representation[@id='{track}']", NS)
    if shown is None:
        return []
    template = shown.find("d:SegmentTemplate", NS)
    assert template is not None
    first = int(template.get("startNumber") or 0)
    count = sum(1 + int(s.get("r") or 0) for s in template.findall(".//d:S", NS))
    return list(range(first, first + count))


def test_the_manifest_has_what_players_need(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, 1, 2, at=0)
    root = stage.shown()
    assert root.get("type") == "dynamic"
    assert root.get("profiles") == "urn:mpeg:dash:profile:isoff-live:2011"
    assert root.get("availabilityStartTime") == "2027-01-15T08:00:00.123456Z"
    assert root.get("timeShiftBufferDepth") == "PT60S"
    assert root.get("minimumUpdatePeriod") == "PT2S"
    (period,) = root.findall("d:Period", NS)
    assert (period.get("id"), period.get("start")) == ("1-0", "PT0.000000S")
    shown = period.findall(".//d:Representation", NS)
    assert [one.get("id") for one in shown] == ["top", "240", "a"]
    assert (shown[0].get("width"), shown[0].get("codecs")) == ("1280", "avc1.64001E")
    template = shown[2].find("d:SegmentTemplate", NS)
    assert template is not None
    assert template.get("media") == "1/a/$Number$.m4s"
    assert template.get("presentationTimeOffset") == "48000"
    (line,) = template.findall(".//d:S", NS)
    assert line.attrib == {"t": "48000", "d": "96000", "r": "2"}


def test_a_period_keeps_its_start_when_its_first_segments_are_gone(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, at=0)
    early = fixed(stage.shown())
    stage.begin()
    stage.segments(*range(1, 100), at=10)
    root = stage.shown()
    assert listed(root, -1, "top")[-1] == 99
    assert listed(root, -1, "top")[0] > 50
    assert fixed(root)["1-1"][0] == "PT10.000000S"
    assert "1-0" not in fixed(root)
    assert early["1-0"][0] == "PT0.000000S"
    assert root.get("availabilityStartTime") == "2027-01-15T08:00:00.123456Z"


def test_window_log_and_another_owner_agree(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, 1, at=0)
    stage.begin()
    stage.segments(2, 3, 4, at=7.654321)
    history = stage.publish()
    seen = fixed(stage.shown())
    assert len(seen) == 2
    assert fixed(of_history(history)) == seen
    other = Stage(tmp_path, before=history)
    other.window.lose(7)
    other.begin()
    other.segments(7, 8, at=30)
    after = fixed(other.shown())
    assert after.items() > seen.items()
    assert after["2-2"] == ("PT30.000000S", {"90000", "48000"})
    assert listed(other.shown(), 1, "top") == [2, 3, 4]
    assert listed(other.shown(), 2, "top") == [7, 8]


def test_a_track_with_a_hole_shows_what_follows_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, 1, 2, 3, at=0, tracks=("top", "a"))
    stage.segments(0, at=0, tracks=("240",))
    for number in (2, 3):
        part = Part(b"p", (1 + 2 * number) * 90_000, 180_000, key=True)
        stage.window.part("240", number, part, BEGAN + 2 * number)
    stage.window.end()
    root = stage.shown()
    assert listed(root, 0, "top") == [0, 1, 2, 3]
    assert listed(root, 0, "240") == [2, 3]


def test_a_period_is_shown_when_all_its_tracks_have_begun(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, at=0, tracks=("top", "240"))
    assert presentation(stage.window) is None
    stage.segments(0, at=0, tracks=("a",))
    assert len(stage.shown().findall("d:Period", NS)) == 1


def test_what_a_new_ffmpeg_repeats_is_shown_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, 1, 2, at=0)
    stage.begin()
    stage.segments(3, 4, at=4)
    root = stage.shown()
    assert listed(root, 0, "top") == [0, 1]
    assert listed(root, 1, "top") == [3, 4]


def test_an_ended_session_has_a_length_and_no_more_updates(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.segments(0, 1, at=0)
    stage.begin()
    stage.segments(2, at=20)
    stage.window.finish()
    root = stage.shown()
    assert root.get("type") == "static"
    assert root.get("mediaPresentationDuration") == "PT22.000000S"
    assert root.get("minimumUpdatePeriod") is None
    assert root.get("timeShiftBufferDepth") is None
