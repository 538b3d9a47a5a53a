"""Colours, measured in what comes out: patches keep their colours in whatever they are stored."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.transcoder.encoding.colour_filters import in_output_colours
from shared.contracts import Colours, Rendition, VideoTrack
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.media.made_colours import COLOURS, HDR, PATCHES, SIDE, TRANSPARENT
from tests.media.measured_colours import measure
from tests.media.pipeline import Processed, process

Picture = np.ndarray[Any, np.dtype[np.uint8]]

# What an encoder at constant quality may be off by, of 255.
_NEAR = 5
# What the filters alone may be off by: decibels over a picture, and steps of a patch.
_CLOSE = 45
_ALIKE = 4


def _shown(video: Processed, rendition: Rendition) -> Picture:
    """The first picture of a rendition in red, green and blue, as a player shows BT.709."""
    steps = "zscale=matrixin=709:rangein=limited:matrix=gbr:range=full,format=gbrp"
    return _first_picture(video.playlist(rendition.name), steps, rendition)


def _first_picture(source: Path, steps: str, rendition: Rendition) -> Picture:
    """The first picture of a file after filters that end in planes of green, blue and red."""
    raw = subprocess.run(
        [
            *(find_ffmpeg(None), "-v", "error", "-i", str(source), "-frames:v", "1"),
            *("-vf", steps, "-f", "rawvideo", "-"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    size = (3, rendition.height, rendition.width)
    green, blue, red = np.frombuffer(raw, np.uint8, count=int(np.prod(size))).reshape(size)
    return np.stack([red, green, blue], axis=-1)


def _tags(video: Processed, rendition: Rendition) -> list[str]:
    names = ["color_range", "color_space", "color_primaries", "color_transfer"]
    found = subprocess.run(
        [
            *(find_ffprobe(None), "-v", "error", "-show_streams", "-of", "json"),
            str(video.playlist(rendition.name)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    stream = json.loads(found)["streams"][0]
    return [stream.get(name, "unknown") for name in names]


def _middles(picture: Picture, width: int) -> Picture:
    """The colour in the middle of each patch; ``width`` is that of the source."""
    step = SIDE * picture.shape[1] / width
    places = [round(step * (number + 0.5)) for number in range(len(PATCHES))]
    return picture[picture.shape[0] // 2, places]


@pytest.mark.parametrize("kind", COLOURS)
async def test_patches_keep_their_colours(kind: str, tmp_path: Path) -> None:
    video = await process(COLOURS[kind](tmp_path), tmp_path / "media")

    assert video.failure is None, video.failure
    facts, top = video.planned.source.video, video.planned.renditions[0]
    assert facts is not None
    wanted = np.array(PATCHES, dtype=np.int16)
    shown = _middles(_shown(video, top), facts.width).astype(np.int16)
    assert np.abs(shown - wanted).max() <= _NEAR, (shown - wanted).tolist()
    # Of a source that is its own top rendition, the others tell.
    assert _tags(video, video.planned.renditions[-1]) == ["tv", "bt709", "bt709", "bt709"]
    images = video.state.images
    assert images is not None
    assert images.poster_key is not None
    with Image.open(video.folder / images.poster_key) as image:
        poster = _middles(np.asarray(image.convert("RGB")), facts.width).astype(np.int16)
    # WebP stores colours at half the size, and lossily.
    assert np.abs(poster - wanted).mean() <= _NEAR, (poster - wanted).tolist()
    (sprite,) = video.folder.rglob("00000*.webp")
    with Image.open(sprite) as image:
        tile = np.asarray(image.convert("RGB"))
    # In a strip that is wider, the tile has too few lines to tell.
    if facts.width == SIDE * len(PATCHES):
        small = _middles(tile, facts.width).astype(np.int16)
        assert np.abs(small - wanted).mean() <= _NEAR, (small - wanted).tolist()


@pytest.mark.parametrize("kind", COLOURS | HDR)
def test_the_filters_do_what_the_definitions_say(kind: str, tmp_path: Path) -> None:
    seen = measure(kind, (COLOURS | HDR)[kind], tmp_path)
    assert seen.psnr >= _CLOSE, seen
    assert seen.patches <= _ALIKE, seen


@pytest.mark.parametrize("kind", HDR)
def test_the_codes_of_hdr_are_those_of_the_definitions(kind: str, tmp_path: Path) -> None:
    seen = measure(kind, HDR[kind], tmp_path, bright=True)
    assert seen.psnr >= _CLOSE, seen
    assert seen.patches <= _ALIKE, seen


@pytest.mark.parametrize("kind", HDR)
async def test_hdr_is_mapped_as_the_reference_maps_it(kind: str, tmp_path: Path) -> None:
    source = HDR[kind](tmp_path)
    video = await process(source, tmp_path / "media")

    assert video.failure is None, video.failure
    facts, top = video.planned.source.video, video.planned.renditions[0]
    assert facts is not None
    assert facts.hdr
    shown = _middles(_shown(video, top), facts.width).astype(np.int16)
    wanted = _middles(_mapped(source, top), facts.width).astype(np.int16)
    assert np.abs(shown - wanted).max() <= _NEAR, (shown - wanted).tolist()
    # Greys are grey, and grow; a white sheet of paper is bright, and not more than white.
    greys = shown[:5]
    assert int(np.ptp(greys, axis=1).max()) <= 3
    assert (np.diff(greys[:, 1]) > 10).all()
    assert 170 <= int(greys[4, 1]) <= 245
    images = video.state.images
    assert images is not None
    assert images.poster_key is not None
    with Image.open(video.folder / images.poster_key) as image:
        poster = _middles(np.asarray(image.convert("RGB")), facts.width).astype(np.int16)
    assert np.abs(poster - wanted).mean() <= _NEAR, (poster - wanted).tolist()
    assert _tags(video, top) == ["tv", "bt709", "bt709", "bt709"]


def _mapped(source: Path, rendition: Rendition) -> Picture:
    """The first picture of an HDR film, mapped by zimg in one pass, and not encoded."""
    steps = (
        "zscale=transfer=linear:npl=100:agamma=0,format=gbrpf32le,zscale=primaries=709,"
        "tonemap=hable:desat=0,zscale=transfer=709:matrix=gbr:range=full,format=gbrp"
    )
    return _first_picture(source, steps, rendition)


@pytest.mark.parametrize("kind", TRANSPARENT)
async def test_what_is_transparent_is_black(kind: str, tmp_path: Path) -> None:
    video = await process(TRANSPARENT[kind](tmp_path), tmp_path / "media")

    assert video.failure is None, video.failure
    facts, top = video.planned.source.video, video.planned.renditions[0]
    assert facts is not None
    wanted = np.array([*PATCHES[:6], *[(0, 0, 0)] * 6], dtype=np.int16)
    shown = _middles(_shown(video, top), facts.width).astype(np.int16)
    assert np.abs(shown - wanted).max() <= _NEAR, (shown - wanted).tolist()


@pytest.mark.parametrize(
    "colours",
    [
        Colours(transfer="bt709"),
        Colours(matrix="smpte170m"),
        Colours(matrix="bt2020nc", primaries="bt2020"),
        Colours(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084"),
    ],
)
def test_skies_have_no_bands(colours: Colours) -> None:
    """A ramp of 64 deep levels has 16 levels of 8 bits; dither keeps those between them."""
    video = VideoTrack(
        codec="ffv1",
        width=1280,
        height=64,
        pixel_format="yuv420p10le",
        colours=colours,
        hdr=colours.transfer == "smpte2084",
    )
    stated = f"setparams=range=limited:colorspace={colours.matrix or 'bt709'}"
    stated += f":color_primaries={colours.primaries or 'bt709'}"
    stated += f":color_trc={colours.transfer or 'bt709'}"
    steps = in_output_colours(video, "scale=1280:64:flags=bicubic")
    raw = subprocess.run(
        [
            *(find_ffmpeg(None), "-v", "error", "-f", "lavfi", "-i"),
            "color=gray:size=1280x64:rate=1:duration=1,format=yuv420p10le,"
            f"geq=lum='400+X/20':cb=512:cr=512,{stated},{','.join(steps)}",
            *("-frames:v", "1", "-f", "rawvideo", "-"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    luma = np.frombuffer(raw, np.uint8, count=1280 * 64).reshape(64, 1280)
    ramp = luma.reshape(64, 64, 20).mean(axis=(0, 2))
    assert len(set(np.round(ramp, 1))) > 2 * len(set(np.round(ramp)))
    assert (np.diff(ramp) > -0.1).all()


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p10le", "gbrp"])
@pytest.mark.parametrize(
    "colours",
    [
        Colours(matrix="ycgco"),
        Colours(matrix="ipt-c2"),
        Colours(matrix="chroma-derived-nc", primaries="smpte428"),
        Colours(matrix="gbr", primaries="bt2020", transfer="smpte2084"),
        Colours(matrix="bt2020c", primaries="bt2020", transfer="arib-std-b67"),
        Colours(matrix="ictcp", primaries="bt2020", transfer="arib-std-b67"),
        Colours(matrix="bt709", transfer="log100"),
    ],
)
def test_no_name_of_colours_stops_a_video(colours: Colours, pixels: str) -> None:
    video = VideoTrack(
        codec="ffv1",
        width=64,
        height=64,
        pixel_format=pixels,
        colours=colours,
        hdr=colours.transfer == "smpte2084",
    )
    stated = f"setparams=colorspace={colours.matrix}"
    stated += f":color_primaries={colours.primaries or 'bt709'}"
    stated += f":color_trc={colours.transfer or 'bt709'}"
    steps = in_output_colours(video, "scale=32:32:flags=bicubic")
    source = f"testsrc2=size=64x64:duration=0.1,format={pixels},{stated},{','.join(steps)}"
    run = [find_ffmpeg(None), "-v", "error", "-f", "lavfi", "-i", source, "-f", "null", "-"]
    made = subprocess.run(run, check=True, capture_output=True, timeout=60)
    assert made.stderr == b""
