"""How far colours are off after the filters: ``python -m tests.media.measured_colours``.

What is right is computed here from the definitions alone (BT.1886, SMPTE ST 2084, BT.2100, Hable's
curve), without ffmpeg. Nothing is encoded in between, so only the filters are measured.
"""

import asyncio
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from services.transcoder.encoding.colour_filters import in_output_colours, in_source_light
from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.probe import probe_source
from services.transcoder.encoding.track_trials import TrackTrials
from services.transcoder.planning.hdr import hdr_renditions
from services.transcoder.planning.ladder import ladder
from shared.contracts import SourceFacts, VideoTrack
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.media.made_colours import COLOURS, HDR, PATCHES, SIDE, Image, Stored

Light = np.ndarray[Any, np.dtype[np.float64]]

_WIDTH: Final = SIDE * len(PATCHES)
_SWEEP: Final = 192
# The gamma of screens (BT.1886), and the light of white in the HDR films, in units of 100 cd/m².
_GAMMA: Final = 2.4
_WHITE: Final = 2.03
# The light that becomes white, in the same units.
_PEAK: Final = 10.0
_TO_2020: Final = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


class Measured(msgspec.Struct, frozen=True):
    """``psnr`` in dB over the picture; ``patches``: the most that one is off by, of ``most``."""

    kind: str
    psnr: float
    patches: int
    most: int


def picture() -> Image:
    """The patches, and below them all hues from dark to bright, as smooth as skies."""
    row = np.repeat(np.array(PATCHES, dtype=np.float64)[None], SIDE, axis=0)
    strip = np.repeat(row, SIDE, axis=1) / 255
    hue = np.linspace(0, 2 * np.pi, _WIDTH)[None, :, None]
    bright = np.linspace(0.15, 0.85, _SWEEP)[:, None, None]
    turned = hue + np.array([0, 2, 4]) * np.pi / 3
    sweep = bright * (0.8 + 0.2 * np.cos(turned))
    return np.round(255 * np.concatenate([strip, sweep])).astype(np.uint8)


def measure(kind: str, stored: Stored, folder: Path, *, bright: bool = False) -> Measured:
    """A kind beside what is right; ``bright``: as HDR, where it is."""
    image = picture()
    if stored.width:
        # Such a kind is about the size of its pictures.
        image = np.pad(image, ((0, 0), (0, stored.width - _WIDTH), (0, 0)))
    source = stored.film(folder, image, 1)
    facts = _facts(source, folder)
    video = facts.video
    assert video is not None
    right, most = (_mapped(image) if video.hdr else image / 255), 255
    if bright:
        kept, *_ = hdr_renditions(facts, ladder(facts), ["hevc"])
        right, most = _coded(image, kept.video_range), 1023
    # The padding is not measured.
    off = (_filtered(source, video, image.shape, bright=bright) - right)[:, :_WIDTH]
    middles = [round(SIDE * (number + 0.5)) for number in range(len(PATCHES))]
    patches = int(np.round(most * np.abs(off[SIDE // 2, middles]).max()))
    inner = off[2 * SIDE :]
    return Measured(kind, float(-10 * np.log10((inner**2).mean())), patches, most)


def _facts(source: Path, folder: Path) -> SourceFacts:
    given, ffprobe = Input(str(source), remote=False), find_ffprobe(None)

    async def opened() -> Input:
        return given

    trials = TrackTrials(find_ffmpeg(None), ffprobe, folder, opened)
    size = source.stat().st_size
    return asyncio.run(probe_source(ffprobe, given, size, folder, trials=trials)).facts


def _filtered(source: Path, video: VideoTrack, shape: tuple[int, ...], *, bright: bool) -> Light:
    """The picture after the filters, as a screen shows it: from 0 to 1."""
    height, width = shape[:2]
    size = f"scale={width}:{height}:flags=bicubic"
    steps = (in_source_light if bright else in_output_colours)(video, size)
    matrix = "2020_ncl" if bright else "709"
    steps.append(f"zscale=matrixin={matrix}:rangein=limited:matrix=gbr:range=full")
    raw = subprocess.run(
        [
            *(find_ffmpeg(None), "-v", "error", "-i", str(source), "-frames:v", "1"),
            *("-vf", f"{','.join(steps)},format=gbrp16le", "-f", "rawvideo", "-"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    green, blue, red = np.frombuffer(raw, "<u2").reshape(3, height, width) / 65535
    return np.stack([red, green, blue], axis=-1)


def _light(image: Image) -> Light:
    """The light of a picture in an HDR film, in units of 100 cd/m²."""
    return _WHITE * (image / 255) ** _GAMMA


def _mapped(image: Image) -> Light:
    """What the tone map must make of the light of a picture."""
    light = _light(image)
    strongest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    mapped = light / strongest * _hable(strongest) / _hable(np.array(_PEAK))
    return np.clip(mapped, 0, 1) ** (1 / _GAMMA)


def _hable(light: Light) -> Light:
    over = light * (0.15 * light + 0.05) + 0.004
    under = light * (0.15 * light + 0.5) + 0.06
    return over / under - 0.02 / 0.3


def _coded(image: Image, kept: str) -> Light:
    """The codes of BT.2100 for the light of a picture."""
    light = 100 * _light(image) @ _TO_2020.T
    return _pq(light) if kept == "PQ" else _hlg(light)


def _pq(light: Light) -> Light:
    """SMPTE ST 2084, from cd/m²."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(light: Light) -> Light:
    """BT.2100, table 5, from cd/m² on a screen of 1000 cd/m²."""
    luminance = np.maximum(light @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)[..., None]
    # The inverse of what the screen does: it raises luminance to 1.2.
    scene = light / 1000 * (luminance / 1000) ** (-0.2 / 1.2)
    low = np.sqrt(3 * np.clip(scene, 0, 1 / 12))
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, low, high)


def main() -> None:
    """Print the table of docs/media.md."""
    print("| Kind | PSNR | A patch is off by at most |")
    print("| --- | --- | --- |")
    rows = [(kind, stored, False) for kind, stored in (COLOURS | HDR).items()]
    rows += [(kind, stored, True) for kind, stored in HDR.items()]
    for kind, stored, bright in rows:
        with tempfile.TemporaryDirectory() as folder:
            seen = measure(kind, stored, Path(folder), bright=bright)
        name = f"{kind}, kept" if bright else kind
        print(f"| {name} | {seen.psnr:.1f} dB | {seen.patches} of {seen.most} |")


if __name__ == "__main__":
    main()
