"""The tracks of a source, and those that a video should show, by ffprobe's answer alone."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.programs.finding import find_ffprobe

_TIMEOUT: Final = 60
# Beside another picture, they are covers.
_STILL: Final = frozenset(("png", "bmp", "webp", "tiff", "jpegxl", "mjpeg"))


class SourceStreams(msgspec.Struct, frozen=True):
    """Numbers of streams. ``pictures``: those that move, the one to show first; ``sounds``: those
    that can be heard; ``silent``: those of which nothing is known."""

    pictures: tuple[int, ...]
    sounds: tuple[int, ...]
    silent: tuple[int, ...]


def source_streams(source: Path) -> SourceStreams:
    """What ffprobe finds in a file."""
    command = [find_ffprobe(None), "-v", "error", "-show_streams", "-of", "json", str(source)]
    answer = subprocess.run(command, check=False, capture_output=True, timeout=_TIMEOUT).stdout
    streams: list[dict[str, Any]] = json.loads(answer or "{}").get("streams", [])
    moving = [s for s in streams if s.get("codec_type") == "video" and not _is_cover(s)]
    films = [s for s in moving if s.get("codec_name") not in _STILL]
    moving.sort(key=lambda s: (bool(films) and s not in films, *_rank(s)))
    heard = [s for s in streams if s.get("codec_type") == "audio"]
    known = [s for s in heard if s.get("channels") and s.get("codec_name")]
    return SourceStreams(
        tuple(s["index"] for s in moving),
        tuple(s["index"] for s in known),
        tuple(s["index"] for s in heard if s not in known),
    )


def _rank(stream: dict[str, Any]) -> tuple[bool, int, int]:
    usual = bool(stream.get("disposition", {}).get("default"))
    pixels = int(stream.get("width", 0)) * int(stream.get("height", 0))
    return not usual, -pixels, int(stream["index"])


def _is_cover(stream: dict[str, Any]) -> bool:
    shown = stream.get("disposition", {})
    return bool(shown.get("attached_pic") or shown.get("timed_thumbnails"))
