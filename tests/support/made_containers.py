"""A small file of each container that an upload may have, made by ffmpeg."""

import os
import subprocess
from pathlib import Path
from typing import Final

from shared.programs.finding import find_ffmpeg

_PICTURE: Final = ("-f", "lavfi", "-i", "testsrc2=size={size}:rate=25:duration={seconds}")
_TONE: Final = ("-f", "lavfi", "-i", "sine=440:duration={seconds}")
_H264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
_MPEG2: Final = ("-c:v", "mpeg2video", "-b:v", "300k", "-c:a", "mp2")
_PAL: Final = "720x576"

# Container → the file's name, ffmpeg's options, and the size where it is not small.
WITH_PICTURE: Final[dict[str, tuple[str, tuple[str, ...], str]]] = {
    "mp4": ("a.mp4", _H264, ""),
    "m4v": ("a.m4v", ("-f", "ipod", *_H264), ""),
    "f4v": ("a.f4v", ("-f", "f4v", *_H264), ""),
    "mov": ("a.mov", _H264, ""),
    "3gp": ("a.3gp", (*_H264, "-c:a", "aac"), ""),
    "mkv": ("a.mkv", _H264, ""),
    "webm": ("a.webm", ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"), ""),
    "avi": ("a.avi", ("-c:v", "mpeg4"), ""),
    "flv": ("a.flv", ("-c:v", "flv", "-ar", "44100"), ""),
    "wmv": ("a.wmv", ("-c:v", "wmv2"), ""),
    "mpeg": ("a.mpg", _MPEG2, ""),
    "ts": ("a.ts", _MPEG2, ""),
    "ogv": ("a.ogv", ("-c:v", "libtheora", "-c:a", "libvorbis"), ""),
    "mxf": ("a.mxf", ("-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000"), ""),
    "dv": ("a.dv", ("-f", "dv", "-ar", "48000", "-ac", "2", "-pix_fmt", "yuv420p"), _PAL),
    "gxf": ("a.gxf", ("-c:v", "mpeg2video", "-ar", "48000", "-ac", "1"), _PAL),
    "rm": ("a.rm", ("-c:v", "rv20", "-c:a", "ac3"), "176x144"),
    "wtv": ("a.wtv", _MPEG2, ""),
    "nut": ("a.nut", ("-c:v", "mpeg4"), ""),
    "ivf": ("a.ivf", ("-an", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"), ""),
    "y4m": ("a.y4m", ("-an", "-pix_fmt", "yuv420p"), ""),
    "h264": ("a.h264", ("-an", *_H264), ""),
    "hevc": ("a.hevc", ("-an", "-c:v", "libx265", "-preset", "ultrafast",
                        "-x265-params", "log-level=none"), ""),
    "m2v": ("a.m2v", ("-an", "-c:v", "mpeg2video"), ""),
    "m4e": ("a.m4e", ("-an", "-f", "m4v", "-c:v", "mpeg4"), ""),
    "gif": ("a.gif", ("-an",), ""),
    "apng": ("a.apng", ("-an", "-f", "apng"), ""),
    "avif": ("a.avif", ("-an", "-c:v", "libsvtav1", "-preset", "12", "-f", "avif"), ""),
    "mj2": ("a.mj2", ("-an", "-f", "mov", "-c:v", "jpeg2000"), ""),
}  # fmt: skip
ONLY_SOUND: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "m4a": ("a.m4a", ("-c:a", "aac")),
    "mp3": ("a.mp3", ()),
    "aac": ("a.aac", ()),
    "oga": ("a.oga", ("-c:a", "libvorbis")),
    "flac": ("a.flac", ()),
    "wav": ("a.wav", ()),
    "w64": ("a.w64", ()),
    "aiff": ("a.aiff", ()),
    "caf": ("a.caf", ()),
    "au": ("a.au", ()),
    "ac3": ("a.ac3", ()),
    "eac3": ("a.eac3", ()),
    "dts": ("a.dts", ("-strict", "-2", "-ac", "2", "-ar", "48000")),
    "wv": ("a.wv", ()),
}


def make_container(folder: Path, name: str, seconds: float = 2) -> Path:
    """A file of a container, with a moving picture where it can have one, and a tone."""
    if name in ONLY_SOUND:
        filename, options = ONLY_SOUND[name]
        return run_ffmpeg(folder / filename, *_filled(_TONE, seconds), *options)
    filename, options, size = WITH_PICTURE[name]
    inputs = (*_filled(_PICTURE, seconds, size or "160x120"), *_filled(_TONE, seconds))
    target = run_ffmpeg(folder / filename, *inputs, *options)
    if name == "mj2":
        # No muxer writes the brand; the boxes are those of QuickTime.
        data = target.read_bytes()
        target.write_bytes(data[:8] + b"mjp2" + data[12:16] + b"mjp2" + data[20:])
    return target


def run_ffmpeg(target: Path, *arguments: str) -> Path:
    """Run ffmpeg with ``arguments`` and the target; returns the target."""
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-y", *arguments, str(target)]
    subprocess.run(command, check=True, timeout=120, env={**os.environ, "SVT_LOG": "1"})
    return target


def _filled(options: tuple[str, ...], seconds: float, size: str = "") -> list[str]:
    return [option.format(size=size, seconds=seconds) for option in options]
