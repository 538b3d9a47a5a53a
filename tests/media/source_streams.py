"""The tracks of a source, and those that a video should show, by ffprobe's answer alone.

Where it gives none, because of one track, ffmpeg's is taken.
"""

import json
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec

from services.transcoder.planning.ending import GUESSED
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.media.recordings import unplayed

_TIMEOUT: Final = 60
_GUESSED: Final = GUESSED | {"mpegts", "mpeg", "ogg"}
# Beside another picture, they are covers.
_STILL: Final = frozenset(("png", "bmp", "webp", "tiff", "jpegxl", "mjpeg"))


class SourceStreams(msgspec.Struct, frozen=True):
    """Numbers of streams. ``pictures``: those that move, the one to show first; ``sounds``: those
    that can be heard; ``silent``: those of which nothing is known. ``stated``: the seconds that the
    container says it lasts, 0 where it does not. ``rest``: recordings follow that ffmpeg does not
    read. ``rate``: frames per second of the first picture, 0 where that is not known."""

    pictures: tuple[int, ...]
    sounds: tuple[int, ...]
    silent: tuple[int, ...] = ()
    stated: float = 0.0
    rest: bool = False
    rate: float = 0.0


def source_streams(source: Path) -> SourceStreams:
    """What ffprobe finds in a file."""
    command = [find_ffprobe(None), "-v", "error", "-show_streams", "-show_format", "-show_programs"]
    run = subprocess.run(
        [*command, "-of", "json", str(source)], check=False, capture_output=True, timeout=_TIMEOUT
    )
    if run.returncode:
        return _listed(source)
    answer: dict[str, Any] = json.loads(run.stdout or "{}")
    streams: list[dict[str, Any]] = answer.get("streams", [])
    moving = [s for s in streams if s.get("codec_type") == "video" and not _is_cover(s)]
    films = [s for s in moving if s.get("codec_name") not in _STILL]
    moving.sort(key=lambda s: (bool(films) and s not in films, *_rank(s)))
    heard = [s for s in streams if s.get("codec_type") == "audio"]
    known = [s for s in heard if s.get("channels") and s.get("codec_name")]
    programs = [{s["index"] for s in p["streams"]} for p in answer.get("programs", [])]
    shown = moving[0]["index"] if moving else None
    together = next((program for program in programs if shown in program), set[int]())
    known.sort(key=lambda s: (bool(together) and s["index"] not in together, *_sound_rank(s)))
    return SourceStreams(
        tuple(s["index"] for s in moving),
        tuple(s["index"] for s in known),
        tuple(s["index"] for s in heard if s not in known),
        _stated(answer.get("format", {})),
        unplayed(source, answer.get("format", {}).get("format_name", "").partition(",")[0]),
        _rate(moving[0]) if moving else 0.0,
    )


def shapes(source: Path, stream: str) -> dict[tuple[int, int], Fraction]:
    """The shape of the pixels of key frames by their size; of equally large ones, the last."""
    command = [find_ffprobe(None), "-v", "error", "-skip_frame", "nokey", "-of", "csv=p=0"]
    command += ["-select_streams", stream, "-show_entries"]
    command += ["frame=width,height,sample_aspect_ratio", str(source)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT)
    found = re.findall(r"(?m)^(\d+),(\d+),(\d+):(\d+)", run.stdout)
    told = (tuple(map(int, each)) for each in found)
    return {(w, h): Fraction(across, down) for w, h, across, down in told if across and down}


def _listed(source: Path) -> SourceStreams:
    """What ffmpeg lists of a file."""
    run = subprocess.run(
        [find_ffmpeg(None), "-nostdin", "-hide_banner", "-i", str(source)],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    tracks = [
        (int(number), kind)
        for number, kind, rest in re.findall(
            r"Stream #0:(\d+)[^:]*: (Video|Audio): (.*)", run.stderr
        )
        if "(attached pic)" not in rest
    ]
    return SourceStreams(
        tuple(number for number, kind in tracks if kind == "Video"),
        tuple(number for number, kind in tracks if kind == "Audio"),
    )


def _stated(container: dict[str, str]) -> float:
    """The length that a container states. Others are guessed from a bit rate or a clock."""
    if _GUESSED & set(container.get("format_name", "").split(",")):
        return 0.0
    length, start = (float(container.get(name, 0)) for name in ("duration", "start_time"))
    # Some state the time of the end instead.
    return length - max(0.0, start)


def _rate(stream: dict[str, Any]) -> float:
    rates: list[float] = []
    for name in ("avg_frame_rate", "r_frame_rate"):
        frames, _, seconds = str(stream.get(name, "0/0")).partition("/")
        rates += [int(frames) / int(seconds)] if int(frames) and int(seconds) else []
    # One of them is often guessed, and that is the higher one.
    return min(rates, default=0.0)


def _rank(stream: dict[str, Any]) -> tuple[bool, int, int]:
    usual = bool(stream.get("disposition", {}).get("default"))
    pixels = int(stream.get("width", 0)) * int(stream.get("height", 0))
    return not usual, -pixels, int(stream["index"])


def _sound_rank(stream: dict[str, Any]) -> tuple[bool, bool]:
    kinds = stream.get("disposition", {})
    aside = any(kinds.get(kind) for kind in ("visual_impaired", "comment", "descriptions"))
    return aside, not kinds.get("default")


def _is_cover(stream: dict[str, Any]) -> bool:
    shown = stream.get("disposition", {})
    return bool(shown.get("attached_pic") or shown.get("timed_thumbnails"))
