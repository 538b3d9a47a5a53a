"""What a source's colours are, where players agree about them, and what is said about others."""

from typing import Any

import msgspec
import pytest

from services.transcoder.encoding.colour_filters import in_output_colours
from services.transcoder.planning.colours import (
    colour_notes,
    colours_of,
    has_alpha,
    is_deep,
    is_rgb,
    matrix_of,
    players_agree,
)
from services.transcoder.planning.ffprobe_answer import Frame, SideData, Stream
from shared.contracts import Colours, VideoTrack


def video(width: int = 1920, height: int = 1080, **fields: Any) -> VideoTrack:
    return VideoTrack(codec="h264", width=width, height=height, **fields)


def test_the_picture_knows_its_colours_better_than_the_container() -> None:
    stream = Stream(color_space="bt709", color_range="tv", color_primaries="unknown")
    frame = Frame(color_space="smpte170m", color_range="pc", color_transfer="reserved")
    assert colours_of(stream, frame) == Colours(matrix="smpte170m", full_range=True)
    assert colours_of(stream, Frame()) == Colours(matrix="bt709")
    unstated = Frame(color_range="unknown", color_space="unknown")
    assert not colours_of(stream, unstated).full_range
    assert colours_of(Stream(color_range="pc"), unstated).full_range
    assert colours_of(Stream(pix_fmt="yuvj420p"), Frame()).full_range


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((1920, 1080), "bt709"),
        ((1280, 400), "bt709"),
        ((768, 577), "bt709"),
        ((768, 576), "smpte170m"),
        ((360, 640), "smpte170m"),
    ],
)
def test_what_is_not_said_follows_from_the_size(size: tuple[int, int], matrix: str) -> None:
    assert matrix_of(video(*size, colours=Colours())) == matrix
    assert matrix_of(video(*size, colours=Colours(matrix="bt2020nc"))) == "bt2020nc"


@pytest.mark.parametrize(
    ("size", "colours", "agree"),
    [
        ((1920, 1080), {}, True),
        ((1920, 1080), {"matrix": "bt709", "primaries": "bt709", "transfer": "bt709"}, True),
        ((1920, 1080), {"matrix": "smpte170m"}, False),
        ((720, 576), {"matrix": "bt470bg", "primaries": "bt470bg"}, True),
        ((1920, 1080), {"full_range": True}, False),
        ((1920, 1080), {"primaries": "smpte432"}, False),
        ((1920, 1080), {"transfer": "iec61966-2-1"}, False),
    ],
)
def test_which_colours_every_player_shows_alike(
    size: tuple[int, int], colours: dict[str, Any], *, agree: bool
) -> None:
    assert players_agree(video(*size, colours=Colours(**colours))) == agree


@pytest.mark.parametrize(
    ("pixels", "rgb", "alpha", "deep"),
    [
        ("yuv420p", False, False, False),
        ("yuvj420p", False, False, False),
        ("yuv420p10le", False, False, True),
        ("p010le", False, False, True),
        ("yuva444p12le", False, True, True),
        ("gbrp", True, False, False),
        ("gbrap16le", True, True, True),
        ("rgb24", True, False, False),
        ("rgba64be", True, True, True),
        ("argb", True, True, False),
        ("bgr0", True, False, False),
        ("pal8", True, True, False),
        ("gray10le", False, False, True),
        ("yuv410p", False, False, False),
        (None, False, False, False),
    ],
)
def test_kinds_of_pixels(pixels: str | None, *, rgb: bool, alpha: bool, deep: bool) -> None:
    made = video(pixel_format=pixels)
    assert (is_rgb(made), has_alpha(made), is_deep(made)) == (rgb, alpha, deep)


@pytest.mark.parametrize(
    ("profile", "layer", "said"),
    [(5, 0, True), (10, 0, True), (7, 6, False), (8, 1, False), (8, 4, False), (None, None, False)],
)
def test_dolby_vision_alone_is_told(profile: int | None, layer: int | None, *, said: bool) -> None:
    side = SideData(dv_profile=profile, dv_bl_signal_compatibility_id=layer)
    notes = colour_notes(Stream(side_data_list=[side]))
    assert [note.code for note in notes] == (["colours_unknown"] if said else [])


def test_a_picture_that_says_so_itself_is_dolby_vision_alone() -> None:
    assert [note.code for note in colour_notes(Stream(color_space="ipt-c2"))] == ["colours_unknown"]
    assert colour_notes(Stream(color_space="ictcp")) == ()


def test_tasks_of_an_older_plan_all_do_the_same() -> None:
    older = video(pixel_format="yuv420p")
    assert in_output_colours(older, "scale=2:2") == ["scale=2:2:out_range=tv", "format=yuv420p"]
    mapped = ",".join(in_output_colours(msgspec.structs.replace(older, hdr=True), "scale=2:2"))
    assert "dither" not in mapped
    assert "setparams" not in mapped
