"""How a picture is cropped and turned, by the side data that ffprobe prints."""

import json
from typing import Any

import pytest

from services.transcoder.planning.ffprobe_answer import SideData, parse_report
from services.transcoder.planning.orientation import Orientation, cropped, orientation_of
from services.transcoder.planning.probe_report import read_source
from shared.contracts import VideoTrack

ONE = 65536


def matrix(a: int, b: int, c: int, d: int) -> SideData:
    lines = (f"{a:12d}{b:12d}{0:12d}", f"{c:12d}{d:12d}{0:12d}", f"{0:12d}{0:12d}{1 << 30:12d}")
    text = "\n".join(f"{number:08d}: {line}" for number, line in enumerate(lines))
    return SideData(displaymatrix=f"\n{text}\n")


@pytest.mark.parametrize(
    ("numbers", "rotation", "mirrored"),
    [
        ((ONE, 0, 0, ONE), 0, False),
        ((0, -ONE, ONE, 0), 90, False),
        ((-ONE, 0, 0, -ONE), 180, False),
        ((0, ONE, -ONE, 0), 270, False),
        ((-ONE, 0, 0, ONE), 0, True),
        ((0, ONE, ONE, 0), 90, True),
        ((ONE, 0, 0, -ONE), 180, True),
        ((0, -ONE, -ONE, 0), 270, True),
        # Scaled, moved a little, or turned by an odd angle.
        ((2 * ONE, 0, 0, 2 * ONE), 0, False),
        ((3, -ONE, ONE, -3), 90, False),
        ((56755, -32767, 32767, 56755), 30, False),
    ],
)
def test_the_eight_orientations(
    numbers: tuple[int, int, int, int], rotation: int, *, mirrored: bool
) -> None:
    assert orientation_of([matrix(*numbers)]) == Orientation(rotation, mirrored)


def test_a_matrix_that_shows_nothing_is_passed_over() -> None:
    nothing = [matrix(0, 0, 0, 0), matrix(ONE, 0, 0, 0), SideData(displaymatrix="\n0: a b c")]
    assert orientation_of(nothing) == Orientation()
    assert orientation_of(nothing, [SideData(rotation=-90)]) == Orientation(270)
    assert orientation_of([SideData(rotation=-2147483648)]) == Orientation()


def test_the_picture_itself_says_more_than_its_container() -> None:
    picture, container = [matrix(-ONE, 0, 0, ONE)], [SideData(rotation=90)]
    assert orientation_of(picture, container) == Orientation(0, True)
    assert orientation_of([], container) == Orientation(90)


@pytest.mark.parametrize(
    ("side_data", "size"),
    [
        (SideData(), (320, 180)),
        (SideData(crop_top=10, crop_bottom=10, crop_left=12, crop_right=8), (300, 160)),
        # What leaves nothing is a mistake.
        (SideData(crop_left=320), (320, 180)),
        (SideData(crop_top=-10), (320, 180)),
    ],
)
def test_lines_that_are_cut_off(side_data: SideData, size: tuple[int, int]) -> None:
    assert cropped(320, 180, [side_data]) == size


def video(side_data: list[dict[str, Any]], *frames: dict[str, Any]) -> VideoTrack:
    stream = {
        **{"index": 0, "codec_type": "video", "codec_name": "h264", "width": 320, "height": 180},
        **{"r_frame_rate": "25/1", "side_data_list": side_data},
    }
    report = {"streams": [stream], "frames": list(frames), "format": {"format_name": "mov"}}
    found = read_source(parse_report(json.dumps(report).encode()), 1).facts.video
    assert found is not None
    return found


def test_a_picture_is_as_large_as_it_is_shown() -> None:
    crop = {"side_data_type": "Frame Cropping", "crop_left": 20, "crop_right": 20}
    turn = {"side_data_type": "Display Matrix", "rotation": -90}
    assert (video([crop]).width, video([crop]).height) == (280, 180)
    assert (video([crop, turn]).width, video([crop, turn]).height) == (180, 280)


def test_what_only_the_first_picture_says() -> None:
    flipped = "\n0: 0 65536 0\n1: 65536 0 0\n2: 0 0 1073741824\n"
    other = {"stream_index": 1, "interlaced_frame": 1}
    first = {"stream_index": 0, "side_data_list": [{"displaymatrix": flipped}]}
    found = video([], other, first)
    assert (found.width, found.height, found.rotation, found.mirrored) == (180, 320, 90, True)
    assert not found.interlaced
    assert video([], {"stream_index": 0, "interlaced_frame": 1}).interlaced
