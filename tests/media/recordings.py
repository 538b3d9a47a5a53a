"""Takes files that were joined apart again, at the headers that their bytes show."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from shared.programs.finding import find_ffprobe

# How a file of each container begins.
_BEGINNINGS: Final[dict[str, re.Pattern[bytes]]] = {
    "flv": re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09\0\0\0\0"),
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3.{1,60}(?:webm|matroska)", re.DOTALL),
}
# Of these, ffmpeg plays the first.
_FIRST: Final[dict[str, re.Pattern[bytes]]] = {
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "asf": re.compile(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")),
    "mov": re.compile(rb"\0\0\0.ftyp(?:isom|qt  |mp4|M4)", re.DOTALL),
    "wav": re.compile(rb"RIFF.{4}WAVEfmt", re.DOTALL),
}
_TIMEOUT: Final = 60


def recordings(source: Path, container: str, folder: Path) -> list[Path]:
    """The recordings of a file that ffmpeg plays, each as a file; none where there is but one."""
    places, last = _places(source, container), _last_packet(source)
    if len(places) < 2:
        return []
    data, files = source.read_bytes(), list[Path]()
    for place, end in zip(places, (*places[1:], len(data)), strict=True):
        if place <= last:
            files.append(folder / f"recording-{len(files)}{source.suffix}")
            files[-1].write_bytes(data[place:end])
    return files


def unplayed(source: Path, container: str) -> bool:
    """Whether another recording begins behind the last packet that ffmpeg reads."""
    beginning = _FIRST.get(container)
    places = _places(source, container)
    if beginning is not None:
        places = [found.start() for found in beginning.finditer(source.read_bytes())]
    return len(places) > 1 and places[-1] > _last_packet(source)


def _places(source: Path, container: str) -> list[int]:
    beginning = _BEGINNINGS.get(container)
    return [found.start() for found in beginning.finditer(source.read_bytes())] if beginning else []


def _last_packet(source: Path) -> int:
    command = [find_ffprobe(None), "-v", "error", "-show_entries", "packet=pos", "-of", "csv=p=0"]
    run = subprocess.run(
        [*command, str(source)], check=False, capture_output=True, text=True, timeout=_TIMEOUT
    )
    if run.returncode:
        # One track keeps ffprobe from reading the others, but not ffmpeg.
        return sys.maxsize
    return max((int(line) for line in run.stdout.split() if line.isdigit()), default=0)
