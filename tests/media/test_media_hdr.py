"""HDR that stays HDR, measured in what comes out: codes, curve, light, on each kind of source."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.transcoder.encoding.colour_filters import in_source_light
from shared.contracts import Colours, ContentLight, Rendition, VideoTrack
from shared.programs.finding import find_ffmpeg
from tests.integration.transcoder.clips import ffmpeg, look
from tests.media.made_colours import COLOURS, HDR, PATCHES, SIDE, dolby_vision_alone
from tests.media.pipeline import Processed, process

Codes = np.ndarray[Any, np.dtype[np.int32]]

# What encoders at constant quality may be off by, of 1023, and patches on average.
_NEAR = 24
_MEAN = 5.0
# The filters to red, green and blue with 10 bits, on the curve of the film.
_CODES = "zscale=matrix=gbr:primaries=2020:range=full,format=gbrp10le"
_STATED = (
    "format=yuv420p10le,setparams=range=limited:color_primaries=bt2020"
    ":color_trc=smpte2084:colorspace=bt2020nc"
)
_TRANSFERS = {"PQ": "smpte2084", "HLG": "arib-std-b67"}


def _codes(source: Path, steps: str, rendition: Rendition) -> Codes:
    """The middles of the patches in the first picture of a film: red, green and blue."""
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
    planes = np.frombuffer(raw, "<u2", count=int(np.prod(size))).reshape(size)
    places = [round(SIDE * (number + 0.5)) for number in range(len(PATCHES))]
    green, blue, red = planes[:, rendition.height // 2][:, places]
    return np.stack([red, green, blue], axis=-1).astype(np.int32)


def _of(video: Processed, codec: str) -> Rendition:
    return next(r for r in video.planned.renditions if r.name.endswith(f"-{codec}-hdr"))


@pytest.mark.parametrize("kind", HDR)
async def test_hdr_stays_hdr_when_asked(kind: str, tmp_path: Path) -> None:
    source = HDR[kind](tmp_path)
    video = await process(source, tmp_path / "media", hdr_codecs=("hevc", "av1"))

    assert video.failure is None, video.failure
    kept = "HLG" if kind == "HLG" else "PQ"
    for codec in ("hevc", "av1"):
        top = _of(video, codec)
        assert top.video_range == kept
        playlist = video.playlist(top.name)
        stream = look(playlist, count=False)["streams"][0]
        told = ("pix_fmt", "color_range", "color_space", "color_primaries", "color_transfer")
        assert [stream[name] for name in told] == [
            *("yuv420p10le", "tv", "bt2020nc", "bt2020", _TRANSFERS[kept])
        ]
        off = np.abs(_codes(playlist, _CODES, top) - _codes(source, _CODES, top))
        assert off.max() <= _NEAR, off.tolist()
        assert off.mean() <= _MEAN, off.tolist()
    multivariant = (video.folder / video.planned.video_id / "master.m3u8").read_text()
    ranges = re.findall(r"#EXT-X-STREAM-INF:.*VIDEO-RANGE=(\w+)", multivariant)
    assert ranges == ["SDR", kept, kept]


def _bright(target: Path, seconds: int) -> Path:
    """A film that states its light."""
    light = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size=426x240:rate=10:duration={seconds},{_STATED}"),
        *("-c:v", "libx265", "-preset", "ultrafast", "-g", "10", "-x265-params"),
        f"log-level=error:{light}:max-cll=1000,400",
        str(target),
    )
    return target


def _shown_late(playlist: Path) -> str:
    """What ffmpeg says of a picture five seconds on."""
    return subprocess.run(
        [
            *(find_ffmpeg(None), "-hide_banner", "-ss", "5", "-i", str(playlist)),
            *("-vf", "showinfo", "-frames:v", "1", "-f", "null", "-"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stderr


async def test_the_light_of_the_film_is_carried_over_into_every_chunk(tmp_path: Path) -> None:
    source = _bright(tmp_path / "a.mkv", seconds=9)
    video = await process(source, tmp_path / "media", hdr_codecs=("hevc", "av1"))

    assert video.failure is None, video.failure
    assert len(video.planned.chunks) > 1
    for codec in ("hevc", "av1"):
        top = _of(video, codec)
        # One init segment for all chunks: else they could not become one object.
        made = video.state.video[top.name]
        assert len({track.init_sha256 for track in made.values()}) == 1
        shown = _shown_late(video.playlist(top.name))
        assert "MaxCLL=1000, MaxFALL=400" in shown
        assert "r(0.6800,0.3200)" in shown
        assert "max_luminance=1000.000000" in shown


async def test_what_is_decoded_as_a_whole_first_stays_hdr(tmp_path: Path) -> None:
    """The time stamps of joined recordings jump, so the tasks read a copy."""
    part, joined = _bright(tmp_path / "part.ts", seconds=2), tmp_path / "a.ts"
    joined.write_bytes(2 * part.read_bytes())
    video = await process(joined, tmp_path / "media", hdr_codecs=("hevc",))

    assert video.failure is None, video.failure
    assert video.planned.plain
    facts = video.planned.source.video
    assert facts is not None
    assert facts.light == ContentLight(brightest=1000, average=400)
    playlist = video.playlist(_of(video, "hevc").name)
    stream = look(playlist)["streams"][0]
    assert (stream["pix_fmt"], stream["color_transfer"]) == ("yuv420p10le", "smpte2084")
    assert int(stream["nb_read_frames"]) == 40


@pytest.mark.parametrize("container", ["mp4", "ts"])
async def test_dolby_vision_alone_has_wrong_colours_and_says_so(
    container: str, tmp_path: Path
) -> None:
    source = dolby_vision_alone(container)(tmp_path)
    video = await process(source, tmp_path / "media", hdr_codecs=("hevc",))
    assert video.failure is None, video.failure
    (note,) = video.planned.source.notes
    assert note.code == "colours_unknown"
    assert "profile 5" in note.text
    assert {each.video_range for each in video.planned.renditions} == {"SDR"}


async def test_sdr_gets_no_set_of_hdr(tmp_path: Path) -> None:
    source = COLOURS["BT.2020, 10 bits, no HDR"](tmp_path)
    video = await process(source, tmp_path / "media", hdr_codecs=("hevc",))
    assert video.failure is None
    assert {each.video_range for each in video.planned.renditions} == {"SDR"}


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p12le", "gbrp10le", "yuva444p10le"])
@pytest.mark.parametrize(
    "colours",
    [
        Colours(transfer="smpte2084"),
        Colours(matrix="ictcp", primaries="bt2020", transfer="smpte2084"),
        Colours(matrix="ictcp", primaries="bt2020", transfer="arib-std-b67"),
        Colours(matrix="bt2020c", primaries="bt2020", transfer="arib-std-b67"),
        Colours(matrix="bt709", primaries="bt709", transfer="smpte2084", full_range=True),
        Colours(matrix="ycgco", primaries="smpte428", transfer="arib-std-b67"),
        Colours(matrix="gbr", primaries="smpte432", transfer="smpte2084"),
    ],
)
def test_no_name_of_colours_stops_an_hdr_set(colours: Colours, pixels: str) -> None:
    video = VideoTrack(
        codec="ffv1", width=64, height=64, pixel_format=pixels, colours=colours, hdr=True
    )
    stated = f"setparams=colorspace={colours.matrix or 'unknown'}"
    stated += f":color_primaries={colours.primaries or 'unknown'}:color_trc={colours.transfer}"
    steps = in_source_light(video, "scale=32:32:flags=bicubic")
    source = f"testsrc2=size=64x64:duration=0.1,format={pixels},{stated},{','.join(steps)}"
    run = [find_ffmpeg(None), "-v", "error", "-f", "lavfi", "-i", source, "-f", "null", "-"]
    made = subprocess.run(run, check=True, capture_output=True, timeout=60)
    assert made.stderr == b""
