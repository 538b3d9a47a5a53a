"""The hot window: what its playlists say, and what waits for more."""

import asyncio
from collections.abc import Callable

import pytest

from services.live.packaging.fragments import Init, Part
from services.live.packaging.layout import Layout, Rung, Sound
from services.live.window.answers import Directives, Viewing
from services.live.window.playlists import hold_back, media_playlist, multivariant
from services.live.window.segments import Segment, Window
from services.live.window.waiting import Changes
from shared.errors import InvalidInput

VIDEO = "v"
LAYOUT = Layout(
    (Rung("top", copied=True), Rung("240", 240)), Sound("aac", copied=True), keys="publisher"
)
ALONE = Layout((Rung("top", copied=True),), None, keys="publisher")
PICTURE = Init(b"init", 90_000, "avc1.64001E", 1280, 720)
RUNG = Init(b"rung", 90_000, "avc1.640015", 426, 240)
SOUND = Init(b"sound", 48_000, "mp4a.40.2")
BEGAN = 1_800_000_000.0


class Stage:
    """A window whose parts are a third of a second, and whose segments have six."""

    def __init__(self, layout: Layout = ALONE, **options: int) -> None:
        self.changes = Changes()
        self.finished: list[tuple[str, int]] = []
        self.window = Window(
            VIDEO,
            finished=lambda track, segment, _: self.finished.append((track, segment.number)),
            changed=self.changes.notify,
            **options,
        )
        self.window.epoch = 1
        self.begin(layout)

    def begin(self, layout: Layout = ALONE) -> None:
        self.window.begin(layout)
        for name in layout.tracks:
            init = {"top": PICTURE, "240": RUNG, "a": SOUND}[name]
            self.window.init(name, init)

    def part(self, number: int, part: int, track: str = "top") -> None:
        seconds = 2 * number + part / 3
        scale = 48_000 if track == "a" else 90_000
        self.window.part(
            track,
            number,
            Part(b"p" * 1000, round(seconds * scale), scale // 3, key=part == 0),
            BEGAN + seconds,
        )

    def parts(self, first: int, last: int, track: str = "top") -> None:
        """Whole segments, then the first part of the next one."""
        for number in range(first, last):
            for part in range(6):
                self.part(number, part, track)
        self.part(last, 0, track)

    def text(self, track: str = "top", *, low: bool = True, skip: bool = False) -> str:
        return media_playlist(self.window, self.window.tracks[track], low_latency=low, skip=skip)

    def viewing(self, *, low: bool = True) -> Viewing:
        return Viewing(self.window, self.changes, low_latency=low)


def test_the_first_playlist_has_everything_that_a_player_needs() -> None:
    stage = Stage()
    stage.parts(0, 1)
    assert stage.text() == "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:9",
            "#EXT-X-TARGETDURATION:4",
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0,HOLD-BACK=12.0"
            ",PART-HOLD-BACK=1.140",
            "#EXT-X-PART-INF:PART-TARGET=0.380",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-DISCONTINUITY-SEQUENCE:0",
            '#EXT-X-MAP:URI="1/top/init-' + PICTURE.sha256[:16] + '.mp4"',
            "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z",
            '#EXT-X-PART:DURATION=0.33333,URI="1/top/0.0.m4s",INDEPENDENT=YES',
            *(f'#EXT-X-PART:DURATION=0.33333,URI="1/top/0.{n}.m4s"' for n in range(1, 6)),
            "#EXTINF:2.00000,",
            "1/top/0.m4s",
            "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:02.000Z",
            '#EXT-X-PART:DURATION=0.33333,URI="1/top/1.0.m4s",INDEPENDENT=YES',
            '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1/top/1.1.m4s"',
            "",
        ]
    )


def test_standard_latency_has_whole_segments_only() -> None:
    stage = Stage()
    stage.parts(0, 2)
    text = stage.text(low=False)
    assert "PART" not in text
    assert "HINT" not in text
    assert text.endswith("#EXTINF:2.00000,\n1/top/1.m4s\n")


def test_parts_are_listed_for_the_newest_segments_only() -> None:
    stage = Stage()
    stage.parts(0, 10)
    listed = {
        line.split('"')[1].split(".")[0]
        for line in stage.text().splitlines()
        if "#EXT-X-PART:" in line
    }
    assert listed == {f"1/top/{number}" for number in (7, 8, 9, 10)}


def test_a_window_forgets_what_is_older_than_a_minute() -> None:
    stage = Stage()
    stage.parts(0, 100)
    text = stage.text()
    assert "#EXT-X-MEDIA-SEQUENCE:70\n" in text
    assert "1/top/69.m4s" not in text
    assert len(stage.window.tracks["top"].segments) == 31


def test_large_segments_are_forgotten_sooner() -> None:
    stage = Stage()
    for number in range(12):
        part = Part(bytes(12 << 20), 180_000 * number, 180_000, key=True)
        stage.window.part("top", number, part, BEGAN + 2 * number)
    held = sum(segment.size for segment in stage.window.tracks["top"].segments.values())
    assert held <= (96 << 20) + (12 << 20)


def test_an_update_leaves_out_what_is_old() -> None:
    stage = Stage()
    stage.parts(0, 20)
    text = stage.text(skip=True)
    assert "#EXT-X-SKIP:SKIPPED-SEGMENTS=8\n" in text
    assert "#EXT-X-MAP" not in text
    assert "1/top/7.m4s" not in text
    assert "1/top/8.m4s" in text
    assert "SKIP:" not in stage.text()


def test_an_update_over_a_discontinuity_is_whole() -> None:
    stage = Stage()
    stage.parts(0, 20)
    stage.window.end()
    stage.begin()
    stage.parts(21, 22)
    text = stage.text(skip=True)
    assert "EXT-X-SKIP" not in text
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:0\n" in text


def test_discontinuities_that_have_left_the_window_are_counted() -> None:
    stage = Stage()
    stage.parts(0, 2)
    stage.window.end()
    stage.begin()
    stage.parts(3, 60)
    text = stage.text()
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    assert "#EXT-X-DISCONTINUITY\n" not in text


def test_a_takeover_keeps_lost_numbers_as_short_gaps() -> None:
    stage = Stage(next_number=7, jumps=3)
    for number in (5, 6):
        stage.window.restore(
            "top",
            Segment(
                number=number,
                folder="v/live/1/top",
                init_key="v/live/1/top/init-old.mp4",
                timescale=90_000,
                jumps=3,
                start=180_000 * number,
                duration=180_000,
                at=BEGAN + 2 * number,
                done=True,
                stored=True,
            ),
            PICTURE,
        )
    stage.window.lose(9)
    stage.window.epoch = 2
    stage.begin()
    assert stage.window.next_number == 9
    stage.part(9, 0)
    lines = stage.text().splitlines()
    gap = lines.index("#EXT-X-GAP")
    assert lines[gap : gap + 3] == ["#EXT-X-GAP", "#EXTINF:0.05000,", "1/top/7.m4s"]
    assert lines.count("#EXT-X-GAP") == 2
    after = lines.index("#EXT-X-DISCONTINUITY")
    assert lines[after + 1] == '#EXT-X-MAP:URI="2/top/init-' + PICTURE.sha256[:16] + '.mp4"'
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:3" in lines


def test_a_track_that_misses_a_segment_has_a_gap_there() -> None:
    stage = Stage(LAYOUT)
    stage.parts(0, 2, "a")
    stage.parts(4, 5, "a")
    lines = stage.text("a").splitlines()
    assert lines.count("#EXT-X-GAP") == 1
    assert [line for line in lines if line.endswith(".m4s") and line[0] != "#"] == [
        f"1/a/{number}.m4s" for number in range(5)
    ]


def test_renditions_tell_of_each_other() -> None:
    stage = Stage(LAYOUT)
    for track in ("top", "240", "a"):
        stage.parts(0, 1, track)
    stage.part(1, 1)
    reports = [line for line in stage.text("240").splitlines() if "REPORT" in line]
    assert reports == [
        '#EXT-X-RENDITION-REPORT:URI="top.m3u8",LAST-MSN=1,LAST-PART=1',
        '#EXT-X-RENDITION-REPORT:URI="a.m3u8",LAST-MSN=1,LAST-PART=0',
    ]


def test_players_stay_a_group_and_two_parts_behind_where_they_can_switch() -> None:
    alone, several = Stage(), Stage(LAYOUT)
    alone.window.longest_gop = several.window.longest_gop = 2.0
    assert hold_back(alone.window) == pytest.approx(1.14)
    assert hold_back(several.window) == pytest.approx(2.76)


def test_the_multivariant_playlist_waits_for_all_renditions() -> None:
    stage = Stage(LAYOUT)
    stage.window.frame_rate = 29.97
    stage.parts(0, 1)
    stage.parts(0, 1, "240")
    assert multivariant(stage.window) is None
    stage.parts(0, 1, "a")
    assert multivariant(stage.window) == "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:9",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            'CHANNELS="2",URI="a.m3u8"',
            '#EXT-X-STREAM-INF:BANDWIDTH=260000,CODECS="avc1.64001E,mp4a.40.2",'
            'RESOLUTION=1280x720,FRAME-RATE=29.970,CLOSED-CAPTIONS=NONE,AUDIO="audio"',
            "top.m3u8",
            '#EXT-X-STREAM-INF:BANDWIDTH=660000,CODECS="avc1.640015,mp4a.40.2",'
            'RESOLUTION=426x240,FRAME-RATE=29.970,CLOSED-CAPTIONS=NONE,AUDIO="audio"',
            "240.m3u8",
            "",
        ]
    )


def test_an_ended_session_says_so() -> None:
    stage = Stage()
    stage.parts(0, 1)
    stage.window.end()
    stage.window.finish()
    assert stage.text().endswith("1/top/1.m4s\n#EXT-X-ENDLIST\n")
    assert stage.finished == [("top", 0), ("top", 1)]


def test_a_rung_that_is_not_made_any_more_is_gone() -> None:
    stage = Stage(LAYOUT)
    stage.parts(0, 1, "240")
    stage.window.end()
    stage.begin()
    assert set(stage.window.tracks) == {"top"}


async def after(task: "asyncio.Task[object]", step: Callable[[], None]) -> None:
    """Do something while the task waits."""
    await asyncio.sleep(0)
    assert not task.done()
    step()


async def test_a_reload_waits_for_its_part() -> None:
    stage = Stage()
    stage.parts(0, 1)
    viewing = stage.viewing()
    task = asyncio.create_task(viewing.playlist("top.m3u8", Directives(1, 2)))
    await after(task, lambda: stage.part(1, 1))
    await after(task, lambda: stage.part(1, 2))
    answer = await task
    assert answer is not None
    assert '"1/top/1.2.m4s"' in answer.body.decode()
    assert not answer.lasting


async def test_a_reload_for_a_segment_waits_until_it_is_whole() -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing(low=False).playlist("top.m3u8", Directives(1, 3)))
    await after(task, lambda: stage.part(1, 3))
    await after(task, lambda: stage.part(2, 0))
    answer = await task
    assert answer is not None
    assert answer.body.decode().endswith("1/top/1.m4s\n")


async def test_a_reload_far_ahead_is_refused() -> None:
    stage = Stage()
    stage.parts(0, 1)
    with pytest.raises(InvalidInput):
        await stage.viewing().playlist("top.m3u8", Directives(4))


@pytest.mark.parametrize(("number", "part"), [(1, 10), (2, 9), (3, 9), (3, 99_999)])
async def test_a_reload_for_a_part_far_ahead_is_refused(number: int, part: int) -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing().playlist("top.m3u8", Directives(number, part)))
    await asyncio.sleep(0)
    assert task.done()
    with pytest.raises(InvalidInput):
        await task


@pytest.mark.parametrize(("number", "part"), [(1, 9), (2, 8)])
async def test_a_reload_may_be_three_seconds_of_parts_ahead(number: int, part: int) -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing().playlist("top.m3u8", Directives(number, part)))
    await after(task, lambda: stage.parts(2, 4))
    assert await task is not None


async def test_a_reload_for_more_parts_than_a_segment_has_is_answered() -> None:
    stage = Stage()
    stage.parts(0, 1)
    assert await stage.viewing().playlist("top.m3u8", Directives(0, 99_999)) is not None


async def test_a_reload_does_not_wait_for_a_silent_publisher(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.live.window.answers._BLOCK_SECONDS", 0.01)
    stage = Stage()
    stage.parts(0, 1)
    answer = await stage.viewing().playlist("top.m3u8", Directives(1, 1))
    assert answer is not None
    assert answer.body.decode() == stage.text()
    assert stage.changes.waiting == 0


async def test_a_hinted_part_is_waited_for() -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing().media("1/top/1.1.m4s"))
    await after(task, lambda: stage.part(1, 1))
    answer = await task
    assert answer is not None
    assert answer.lasting
    assert len(answer.body) == 1000


@pytest.mark.parametrize("name", ["1.2", "2.0", "2.90000"])
@pytest.mark.parametrize("epoch", [1, 2])
async def test_no_other_part_is_waited_for(epoch: int, name: str) -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing().media(f"{epoch}/top/{name}.m4s"))
    await asyncio.sleep(0)
    assert task.done()
    assert await task is None


async def test_nor_the_hinted_one_of_another_publisher() -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing().media("2/top/1.1.m4s"))
    await asyncio.sleep(0)
    assert task.done()
    assert await task is None


async def test_behind_a_gap_the_next_publishers_part_is_waited_for() -> None:
    stage = Stage()
    stage.parts(0, 1)
    stage.window.end()
    stage.window.epoch = 2
    stage.window.lose(4)
    stage.begin()
    task = asyncio.create_task(stage.viewing().media("2/top/4.0.m4s"))
    await after(task, lambda: stage.part(4, 0))
    assert await task is not None


async def test_a_hinted_part_that_never_came_is_not_there() -> None:
    stage = Stage()
    stage.parts(0, 1)
    task = asyncio.create_task(stage.viewing().media("1/top/1.1.m4s"))
    await after(task, lambda: stage.part(2, 0))
    assert await task is None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("1/top/0.m4s", 6000),
        ("1/top/0.5.m4s", 1000),
        (f"1/top/init-{PICTURE.sha256[:16]}.mp4", 4),
        ("1/top/1.m4s", None),
        ("2/top/0.m4s", None),
        ("1/top/0.6.m4s", None),
        ("1/top/5.0.m4s", None),
        ("1/other/0.m4s", None),
        ("1/top/x.m4s", None),
        ("1/top/-1.m4s", None),
        ("1/top/0.0.0.m4s", None),
        ("1/top", None),
        ("", None),
    ],
)
async def test_what_can_be_loaded(name: str, size: int | None) -> None:
    stage = Stage()
    stage.parts(0, 1)
    answer = await stage.viewing().media(name)
    assert (None if answer is None else len(answer.body)) == size
