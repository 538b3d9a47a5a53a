"""Files of the same coloured patches, stored in many kinds of colours."""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import Recipe, made, picture, tone

Image = np.ndarray[Any, np.dtype[np.uint8]]

SIDE: Final = 32
# Red, green and blue from 0 to 255, as a person should see them.
PATCHES: Final = (
    (0, 0, 0),
    (64, 64, 64),
    (128, 128, 128),
    (200, 200, 200),
    (255, 255, 255),
    (180, 60, 60),
    (60, 160, 70),
    (60, 70, 170),
    (190, 180, 60),
    (70, 170, 180),
    (170, 70, 160),
    (200, 150, 120),
)
_RATE: Final = 25


class Stored(msgspec.Struct, frozen=True):
    """A kind of colours in a file: ``filters`` turn RGB into what ``options`` store.

    ``width``: that of the film of patches, where they do not fill it.
    """

    name: str
    filters: str
    options: tuple[str, ...]
    width: int = 0

    def __call__(self, folder: Path) -> Path:
        """A film of the patches."""
        row = np.repeat(np.array(PATCHES, dtype=np.uint8)[None], SIDE, axis=0)
        image = np.repeat(row, SIDE, axis=1)
        if self.width:
            image = np.pad(image, ((0, 0), (0, self.width - image.shape[1]), (0, 0)))
        return self.film(folder, image, _RATE)

    def film(self, folder: Path, image: Image, frames: int) -> Path:
        """A film of one picture in red, green and blue."""
        raw = folder / "picture.rgb"
        raw.write_bytes(image.tobytes() * frames)
        size = f"{image.shape[1]}x{image.shape[0]}"
        ffmpeg(
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(_RATE), "-i", str(raw)),
            *("-vf", self.filters, *self.options, str(folder / self.name)),
        )
        return folder / self.name


def patches(name: str, filters: str, *options: str, width: int = 0) -> Stored:
    """The recipe of a film of the patches."""
    return Stored(name, filters, options, width)


def _stored(matrix: str, primaries: str = "709", kind: str = "yuv420p", extent: str = "tv") -> str:
    """The filter from RGB in BT.709 to YUV."""
    return (
        "setparams=color_primaries=bt709:color_trc=bt709,format=gbrp,"
        f"zscale=matrix={matrix}:primaries={primaries}:transfer=709:range={extent},format={kind}"
    )


_X264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4")
_UNSAID: Final = "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown"

COLOURS: Final[dict[str, Stored]] = {
    "BT.709": patches("a.mp4", _stored("709"), *_X264),
    "BT.709, full range": patches("a.mp4", _stored("709", extent="pc"), *_X264),
    "small, not said": patches("a.mp4", f"{_stored('170m')},{_UNSAID}", *_X264),
    "large, not said": patches("a.mp4", f"{_stored('709')},{_UNSAID}", *_X264, width=1280),
    "BT.601 that is said": patches("a.mp4", _stored("470bg"), *_X264, width=1280),
    "BT.601, full range": patches("a.mp4", _stored("470bg", extent="pc"), *_X264),
    "PAL": patches("a.mp4", _stored("470bg", "bt470bg"), *_X264),
    "NTSC": patches("a.mp4", _stored("170m", "170m"), *_X264),
    "motion JPEG": patches("a.mov", _stored("470bg", extent="pc"), "-c:v", "mjpeg", "-q:v", "2"),
    "BT.2020, 10 bits, no HDR": patches(
        "a.mkv", _stored("2020_ncl", "2020", "yuv420p10le"), *_X264
    ),
    "P3": patches("a.mkv", _stored("709", "smpte432", "yuv420p10le"), *_X264),
    "4:2:2 with 10 bits": patches("a.mov", _stored("709", kind="yuv422p10le"), "-c:v", "prores_ks"),
    "4:4:4": patches("a.mkv", _stored("709", kind="yuv444p"), *_X264),
    "RGB": patches("a.mkv", "format=gbrp", "-c:v", "ffv1"),
    "RGB in QuickTime": patches("a.mov", "format=rgb24", "-c:v", "qtrle"),
    "RGB that ffprobe does not decode": patches("a.mov", "format=rgb24", "-c:v", "png"),
    "opaque alpha": patches("a.mov", "format=argb", "-c:v", "qtrle"),
    "opaque alpha in YUV": patches(
        "a.mov", f"{_stored('709', kind='yuv444p10le')},format=yuva444p10le", "-c:v", "prores_ks"
    ),
}
"""Kinds whose patches must come out as they went in."""

_HDR: Final = (
    "setparams=color_primaries=bt709:color_trc=bt709,format=gbrp,"
    "zscale=transfer={curve}:primaries=2020:matrix=2020_ncl:range=tv:npl={white},format=yuv420p10le"
)
HDR: Final[dict[str, Stored]] = {
    "PQ": patches("a.mkv", _HDR.format(curve="smpte2084", white=203), *_X264),
    "PQ that says how bright it is": patches(
        "a.ts",
        _HDR.format(curve="smpte2084", white=203),
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
        "log-level=error:qp=4:hdr10=1:max-cll=4000,400",
    ),
    # Without approximation, as BT.2100 defines it: else each colour would be bent by itself.
    "HLG": patches("a.mkv", _HDR.format(curve="arib-std-b67:agamma=0", white=203), *_X264),
    "PQ in full range": patches(
        "a.mkv", _HDR.format(curve="smpte2084", white=203).replace("range=tv", "range=pc"), *_X264
    ),
    "PQ in the colours of P3": patches(
        "a.mkv",
        _HDR.format(curve="smpte2084", white=203).replace("=2020:", "=smpte432:"),
        *_X264,
    ),
    "PQ in RGB": patches(
        "a.mkv",
        "setparams=color_primaries=bt709:color_trc=bt709,format=gbrp,"
        "zscale=transfer=smpte2084:primaries=2020:matrix=gbr:range=pc:npl=203,format=gbrp10le",
        *("-c:v", "ffv1"),
    ),
}
"""Kinds with more light than the output has; grey must stay grey, and bright must stay bright."""

TRANSPARENT: Final[dict[str, Stored]] = {
    "transparent RGB": patches(
        "a.mov",
        "format=argb,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,192),255,0)'",
        *("-c:v", "qtrle"),
    ),
    "transparent RGB that ffprobe does not decode": patches(
        "a.mov",
        "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,192),255,0)'",
        *("-c:v", "png"),
    ),
    "transparent YUV": patches(
        "a.mov",
        f"{_stored('709', kind='yuv444p10le')},format=yuva444p10le,"
        "geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='if(lt(X,192),1023,0)'",
        *("-c:v", "prores_ks"),
    ),
}
"""Kinds whose right half is transparent."""


# Profile 5 of Dolby Vision: with its metadata, and no layer that others can show.
_ALONE: Final = (32).to_bytes(4, "big") + b"dvcC\x01\x00\x0a\x0d" + bytes(20)
_AROUND: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1")
_IPT: Final = (
    "hevc_metadata=matrix_coefficients=15:transfer_characteristics=16"
    ":colour_primaries=9:video_full_range_flag=1"
)


def dolby_vision_alone(container: str) -> Recipe:
    """The recipe of a film in Dolby Vision, profile 5: an MP4 says so, others only the picture."""

    def write(folder: Path) -> Path:
        whole = made(
            f"a.{container}",
            *(*picture("320x180", seconds=1), *tone(seconds=1), "-pix_fmt", "yuv420p10le"),
            *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
            *("-bsf:v", _IPT, "-c:a", "aac", *(("-tag:v", "hvc1") if container == "mp4" else ())),
        )(folder)
        if container == "mp4":
            _insert_before(whole, b"hvcC", _ALONE)
        return whole

    return write


def _insert_before(target: Path, name: bytes, box: bytes) -> None:
    """Put a box before the first one of a name in the first track's description."""
    data = bytearray(target.read_bytes())
    at = data.index(name) - 4
    for outer in _AROUND:
        size = data.rindex(outer, 0, at) - 4
        larger = int.from_bytes(data[size : size + 4], "big") + len(box)
        data[size : size + 4] = larger.to_bytes(4, "big")
    data[at:at] = box
    target.write_bytes(data)
