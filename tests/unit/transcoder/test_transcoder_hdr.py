"""Which sources get sets that stay HDR, and what those say of the film's light."""

from typing import Any

import msgspec
import pytest

from services.transcoder.domain.state import early_renditions
from services.transcoder.planning.extra_codecs import extra_encoder_arguments, extra_renditions
from services.transcoder.planning.ffprobe_answer import SideData
from services.transcoder.planning.hdr import (
    content_light,
    dolby_vision,
    hdr_renditions,
    mastering_display,
    wanted_codecs,
    with_hdr_note,
)
from services.transcoder.planning.plan import h264_renditions, video_tasks
from shared.contracts import (
    Colours,
    ContentLight,
    HdrWish,
    MasteringDisplay,
    SourceFacts,
    VideoTrack,
)
from shared.mp4.boxes import Box
from shared.mp4.sample_entry import codec_string
from tests.unit.transcoder.facts_about import plan

LADDER = plan().renditions
SCREEN = SideData(
    red_x="34000/50000",
    red_y="16000/50000",
    green_x="0/1",
    green_y="69/100",
    blue_x="7500/50000",
    blue_y="3000/50000",
    white_point_x="15635/50000",
    white_point_y="16450/50000",
    min_luminance="50/10000",
    max_luminance="1000/1",
)
DISPLAY = MasteringDisplay(
    red=(34000, 16000),
    green=(0, 34500),
    blue=(7500, 3000),
    white=(15635, 16450),
    darkest=50,
    brightest=10_000_000,
)


def source(transfer: str | None = "smpte2084", **fields: Any) -> SourceFacts:
    video = VideoTrack(
        codec="hevc", width=640, height=360, colours=Colours(transfer=transfer), **fields
    )
    return SourceFacts(container="mov", duration_ms=1000, size=1, video=video)


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        (source("smpte2084"), "PQ"),
        (source("arib-std-b67"), "HLG"),
        (source("arib-std-b67", dolby_vision="8.4"), "HLG"),
        (source("smpte2084", dolby_vision="7.6"), "PQ"),
        (source("smpte2084", dolby_vision="5.0"), None),
        (source("bt709"), None),
        (source(None), None),
        (SourceFacts(container="mp3", duration_ms=1, size=1), None),
    ],
)
def test_only_hdr_stays_hdr(facts: SourceFacts, kept: str | None) -> None:
    made = hdr_renditions(facts, LADDER, ("hevc", "av1", "hevc"))
    names = ["360p-hevc-hdr", "240p-hevc-hdr", "360p-av1-hdr", "240p-av1-hdr"]
    assert [each.name for each in made] == (names if kept else [])
    assert {each.video_range for each in made} == ({kept} if kept else set())
    assert hdr_renditions(facts, LADDER, ()) == ()


def test_an_hdr_set_has_tasks_of_its_own_beside_sdr_in_the_same_codec() -> None:
    more = (*hdr_renditions(source(), LADDER, ["hevc"]), *extra_renditions(LADDER, ["hevc"]))
    planned = msgspec.structs.replace(plan(), renditions=(*more, *LADDER))
    assert h264_renditions(planned) == early_renditions(planned) == LADDER
    tasks = video_tasks(planned)
    later = tasks[len(video_tasks(plan())) :]
    assert [task.renditions for task in later] == [
        *[("360p-hevc-hdr", "240p-hevc-hdr")] * len(planned.chunks),
        *[("360p-hevc", "240p-hevc")] * len(planned.chunks),
    ]
    assert {task.priority for task in later} == {3}
    assert len({task.name for task in tasks}) == len(tasks)


@pytest.mark.parametrize(
    ("profile", "base"), [("8.4", "HLG"), ("8.1", "HDR10"), ("7.6", "HDR10"), (None, None)]
)
def test_what_is_lost_of_dolby_vision_is_said(profile: str | None, base: str | None) -> None:
    transfer = "arib-std-b67" if base == "HLG" else "smpte2084"
    notes = with_hdr_note(source(transfer, dolby_vision=profile), None, kept=True).notes
    assert [note.code for note in notes] == (["dolby_vision_left_out"] if base else [])
    assert all(f"which is {base}." in note.text for note in notes)


@pytest.mark.parametrize(
    ("wish", "usual", "on_request", "codecs"),
    [
        (None, (), "hevc", []),
        (None, ("av1",), "hevc", ["av1"]),
        ("keep", (), "hevc", ["hevc"]),
        ("keep", ("av1", "hevc"), "hevc", ["av1", "hevc"]),
        ("keep", (), None, []),
        ("keep", ("av1",), None, ["av1"]),
        ("drop", ("av1",), "hevc", []),
    ],
)
def test_the_uploader_decides_within_what_the_installation_allows(
    wish: HdrWish | None, usual: tuple[str, ...], on_request: str | None, codecs: list[str]
) -> None:
    assert list(wanted_codecs(wish, usual, on_request)) == codecs


@pytest.mark.parametrize(
    ("transfer", "wish", "kept", "codes"),
    [
        ("arib-std-b67", "keep", False, ["hdr_left_out"]),
        ("arib-std-b67", "keep", True, []),
        ("arib-std-b67", None, False, []),
        ("arib-std-b67", "drop", False, []),
        ("bt709", "keep", False, []),
    ],
)
def test_hdr_that_was_to_be_kept_is_missed_in_words(
    transfer: str, wish: HdrWish | None, kept: bool, codes: list[str]
) -> None:
    facts = with_hdr_note(source(transfer), wish, kept=kept)
    assert [note.code for note in facts.notes] == codes


def test_what_a_film_says_of_its_light() -> None:
    said = [SideData(rotation=90), SCREEN, SideData(max_content=1000, max_average=400)]
    assert mastering_display(said) == DISPLAY
    assert content_light(said) == ContentLight(brightest=1000, average=400)
    assert mastering_display([]) is content_light([]) is dolby_vision([]) is None
    layers = [SideData(dv_profile=8, dv_bl_signal_compatibility_id=4)]
    assert dolby_vision(layers) == "8.4"
    assert dolby_vision([SideData(dv_profile=5)]) == "5.0"


@pytest.mark.parametrize(
    "fault",
    [
        {"red_x": "50001/50000"},
        {"white_point_y": "-1/50000"},
        {"blue_x": "1/0"},
        {"green_y": None},
        {"max_luminance": "10001/1"},
        {"max_luminance": "50/10000"},
        {"min_luminance": "nan"},
        {"max_luminance": None},
    ],
)
def test_a_screen_that_cannot_be_is_not_passed_on(fault: dict[str, str | None]) -> None:
    assert mastering_display([msgspec.structs.replace(SCREEN, **fault)]) is None


@pytest.mark.parametrize("light", [(0, 400), (65_536, 400), (1000, 65_536)])
def test_light_that_cannot_be_is_not_passed_on(light: tuple[int, int]) -> None:
    assert content_light([SideData(max_content=light[0], max_average=light[1])]) is None


def arguments(codec: str, facts: SourceFacts) -> list[str]:
    assert facts.video is not None
    (top, _) = hdr_renditions(facts, LADDER, [codec])
    return extra_encoder_arguments(top, facts.video, 100, "expr:0", 1)


def test_each_encoder_is_told_of_the_light_in_its_own_units() -> None:
    bright = source(mastering=DISPLAY, light=ContentLight(brightest=1000, average=400))
    hevc, av1 = " ".join(arguments("hevc", bright)), " ".join(arguments("av1", bright))
    assert (
        ":hdr10-opt=1:master-display=G(0,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
        "L(10000000,50):max-cll=1000,400" in hevc
    )
    assert (
        ":mastering-display=G(0.00000,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)"
        "WP(0.31270,0.32900)L(1000.00000,0.00500):content-light=1000,400" in av1
    )
    silent = " ".join([*arguments("hevc", source()), *arguments("av1", source())])
    assert "master" not in silent
    assert "light" not in silent
    assert "max-cll" not in silent
    assert "hdr10-opt" not in " ".join(arguments("hevc", source("arib-std-b67")))


def test_a_codec_string_of_av1_says_colours_that_are_not_bt709() -> None:
    def read(colr: bytes) -> str:
        said = (8 + len(colr)).to_bytes(4, "big") + b"colr" + colr if colr else b""
        entry = bytes(8 + 78) + b"\0\0\0\x0cav1C\x81\x05\x4c\0" + said
        return codec_string(entry, Box("av01", 0, len(entry), 8))

    assert read(b"") == "av01.0.05M.10"
    assert read(b"nclx\0\1\0\1\0\1\0") == "av01.0.05M.10"
    assert read(b"nclx\0\x09\0\x10\0\x09\0") == "av01.0.05M.10.0.110.09.16.09.0"
    assert read(b"nclx\0\x09\0\x12\0\x09\x80") == "av01.0.05M.10.0.110.09.18.09.1"
    assert read(b"prof" + bytes(20)) == "av01.0.05M.10"
