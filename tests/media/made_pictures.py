"""Files whose pictures are turned, cropped, coded in fields, timed or coloured in unusual ways."""

import struct
from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import X264, Recipe, made, picture

_FIELDS_X264: Final = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "interlaced=1:tff=1"),
)
_BRIEF: Final = ("-pix_fmt", "yuv420p", "-qp", "20")
_FIT: Final = ("-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-g", "60")


def turned(name: str, *orientation: str, size: str = "192x108", bsf: str = "null") -> Recipe:
    """The recipe of a file whose display matrix ``orientation`` states."""

    def write(folder: Path) -> Path:
        plain = folder / "plain.mp4"
        ffmpeg(*picture(size, seconds=3), *_FIT, str(plain))
        ffmpeg(
            *(*orientation, "-i", str(plain), "-c", "copy", "-bsf:v", bsf, str(folder / name)),
        )
        return folder / name

    return write


def in_fields(name: str, *options: str, rate: str = "50", weave: str = "interlace") -> Recipe:
    """The recipe of a file that is coded in fields."""

    def write(folder: Path) -> Path:
        filters = {
            "interlace": "interlace=scan=tff:lowpass=0,setfield=tff",
            "bottom": "interlace=scan=bff:lowpass=0,setfield=bff",
            "whole": "setfield=tff",
            "telecined": "telecine=pattern=23,setfield=tff",
        }[weave]
        # Wide shapes: fine lines look like fields to the detector.
        shapes = f"testsrc2=size=360x288:rate={rate}:duration=3,scale=720:576,gblur=sigma=2"
        size = () if name.endswith((".avi", ".dv")) else ("-s", "360x288")
        flags = ("-flags", "+ildct+ilme") if "dvvideo" not in options else ()
        ffmpeg(
            *("-f", "lavfi", "-i", shapes if not size else shapes.replace("720:576", "360:288")),
            *("-vf", filters, "-pix_fmt", "yuv420p", *flags, *options, str(folder / name)),
        )
        return folder / name

    return write


def with_clean_aperture(width: int, height: int) -> Recipe:
    """The recipe of an MP4 file whose ``clap`` box shows the middle of a 192 × 108 picture."""

    def write(folder: Path) -> Path:
        target = folder / "clap.mp4"
        ffmpeg(*picture(), *X264, str(target))
        data = bytearray(target.read_bytes())
        box = struct.pack(">I4s8I", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
        entry = data.rindex(b"avc1") - 4
        size = int.from_bytes(data[entry : entry + 4], "big")
        # The boxes around the sample entry; moov is the file's last box, so no offset changes.
        for kind in (b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            at = data.rindex(kind, 0, entry) - 4
            data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 40).to_bytes(4, "big")
        data[entry : entry + 4] = (size + 40).to_bytes(4, "big")
        data[entry + size : entry + size] = box
        target.write_bytes(data)
        return target

    return write


def cut_from(name: str) -> Recipe:
    """The recipe of a film that begins at a key frame which earlier pictures refer across."""

    def write(folder: Path) -> Path:
        options = "open-gop=1:keyint=25:min-keyint=25:bframes=4:scenecut=0"
        ffmpeg(
            *(*picture(seconds=4), "-c:v", "libx264", "-preset", "veryfast", *_BRIEF),
            *("-x264-params", options, str(folder / "whole.ts")),
        )
        ffmpeg("-ss", "1", "-i", str(folder / "whole.ts"), "-c", "copy", str(folder / name))
        return folder / name

    return write


def turned_fields(folder: Path) -> Path:
    """A file in fields that is turned by 90 degrees."""
    fields = in_fields("fields.mp4", *_FIELDS_X264)(folder)
    ffmpeg("-display_rotation", "90", "-i", str(fields), "-c", "copy", str(folder / "a.mp4"))
    return folder / "a.mp4"


_TURNS: Final = {
    "turned 90": ("-display_rotation", "90"),
    "turned 180": ("-display_rotation", "180"),
    "turned 270": ("-display_rotation", "270"),
    "mirrored": ("-display_hflip",),
    "upside down": ("-display_vflip",),
    "turned 90 and mirrored": ("-display_rotation", "90", "-display_hflip"),
    "turned 270 and mirrored": ("-display_rotation", "270", "-display_hflip"),
    "turned 20": ("-display_rotation", "20"),
}

PICTURES: Final[dict[str, Recipe]] = {
    **{kind: turned("a.mp4", *options) for kind, options in _TURNS.items()},
    "mirrored, and else fit": turned("a.mp4", "-display_hflip", size="640x360"),
    "upside down, and else fit": turned("a.mp4", "-display_vflip", size="640x360"),
    "mirrored in Matroska": turned("a.mkv", "-display_hflip"),
    "turned in Matroska": turned("a.mkv", "-display_rotation", "90"),
    "turned by the picture's data": turned(
        "a.mp4", bsf="h264_metadata=display_orientation=insert:rotate=90:flip=horizontal"
    ),
    "mirrored by the picture's data, and else fit": turned(
        "a.mp4",
        size="640x360",
        bsf="h264_metadata=display_orientation=insert:flip=horizontal",
    ),
    "cropped": with_clean_aperture(120, 100),
    "avi without times": made("a.avi", *picture(), "-c:v", "libx264", "-bf", "3", *_BRIEF),
    "H.264 without a container": made("a.h264", *picture(), "-c:v", "libx264", "-bf", "3", *_BRIEF),
    # Its clock has 10 MHz.
    "recorded TV": made(
        "a.wtv",
        *(*picture("160x90", rate="24000/1001", seconds=1), "-vf", "interlace=lowpass=0"),
        *("-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-q:v", "3", "-bf", "2"),
    ),
    "VVC": made("a.mp4", *picture(seconds=2), "-c:v", "libvvenc", "-preset", "faster"),
    "a recording that begins in mid-film": cut_from("a.ts"),
    "a copy that begins in mid-film": cut_from("a.mp4"),
    "a slow slide show": made("a.mp4", *picture(rate="1/5", seconds=20), *X264),
    "avi in order": made("a.avi", *picture(), *X264, "-bf", "0"),
    "50i in MPEG-2": in_fields("a.ts", "-c:v", "mpeg2video", "-b:v", "2M"),
    "50i in H.264": in_fields("a.mp4", *_FIELDS_X264),
    "59.94i in H.264": in_fields("a.mkv", *_FIELDS_X264, rate="60000/1001"),
    "50i, the lower field first": in_fields("a.avi", "-c:v", "dvvideo", weave="bottom"),
    "whole pictures in fields": in_fields("a.mp4", *_FIELDS_X264, rate="25", weave="whole"),
    "film on video": in_fields(
        "a.ts", "-c:v", "mpeg2video", "-b:v", "2M", rate="24000/1001", weave="telecined"
    ),
    "50i, turned": turned_fields,
    "between rungs": made("a.mp4", *picture("600x338", seconds=2), *X264),
}
"""Kinds of which each was once wrong, or is easily wrong."""

# Kinds of which more is measured: the output's rate, and the share of frames that do not move.
MOVING: Final = (
    # Two moments in each frame: twice the rate, and something moves in every frame.
    ("50i in H.264", "50/1", 0.0),
    ("59.94i in H.264", "60000/1001", 0.0),
    ("50i, the lower field first", "50/1", 0.0),
    # One moment in each frame: the file's own rate.
    ("whole pictures in fields", "25/1", 0.0),
    # Film: every fifth frame is a repetition.
    ("film on video", "30000/1001", 0.2),
)
# Kinds that are shown at the source's own rate, each frame once.
COUNTED: Final = (
    "avi in order",
    "avi without times",
    "H.264 without a container",
    "VVC",
    "a copy that begins in mid-film",
    "upside down, and else fit",
)
MEASURED: Final = frozenset((*COUNTED, *(kind for kind, _, _ in MOVING)))
