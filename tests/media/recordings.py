"""Takes files that were joined apart again, at the headers that their bytes show."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from shared.programs.finding import find_ffprobe

# How a file of each container begins of which ffmpeg plays further ones.
_BEGINNINGS: Final[dict[str, re.Pattern[bytes]]] = {
    "flv": re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09\0\0\0\0"),
    "gxf": re.compile(rb"\0{4}\x01\xbc.{4}\0{4}\xe1\xe2\xe0\xff", re.DOTALL),
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3.{1,60}(?:webm|matroska)", re.DOTALL),
    "nut": re.compile(rb"nut/multimedia container\0NM"),
}
# Of these, ffmpeg plays the first.
_FIRST: Final[dict[str, re.Pattern[bytes]]] = {
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "apng": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "asf": re.compile(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")),
    "caf": re.compile(rb"caff\x00\x01\0\0desc"),
    "ivf": re.compile(rb"DKIF\0\0 \0VP"),
    "mov": re.compile(rb"\0\0\0.ftyp(?:isom|qt  |mp4|M4)", re.DOTALL),
    "mxf": re.compile(bytes.fromhex("060e2b34020501010d0102010102") + rb"[\x01-\x04]\0"),
    "w64": re.compile(rb"riff\x2e\x91\xcf\x11"),
    "wav": re.compile(rb"RIFF.{4}WAVEfmt", re.DOTALL),
    "wtv": re.compile(bytes.fromhex("b7d800203749da11a64e0007e95ead8d")),
    "wv": re.compile(rb"wvpk.{12}\0{4}", re.DOTALL),
    "yuv4mpegpipe": re.compile(rb"YUV4MPEG2 W"),
}
# ffmpeg reads a second one, and shows it wrongly.
_MISREAD: Final = frozenset(("ivf", "mxf"))
# The last packet does not tell where the first one ends.
_UNPLACED: Final = frozenset(("mxf", "wtv"))
_TIMEOUT: Final = 60


def recordings(source: Path, container: str, folder: Path) -> list[Path]:
    """The recordings of a file that ffmpeg plays, each as a file; none where there is but one."""
    data, files = source.read_bytes(), list[Path]()
    places, last = _places(data, container), _last_packet(source)
    if len(places) < 2:
        return []
    for place, end in zip(places, (*places[1:], len(data)), strict=True):
        if place <= last and not (files and container in _MISREAD):
            files.append(folder / f"recording-{len(files)}{source.suffix}")
            files[-1].write_bytes(data[place:end])
    return files


def unplayed(source: Path, container: str) -> bool:
    """Whether another recording begins that ffmpeg does not read, or does not show."""
    data = source.read_bytes()
    places = _places(data, container)
    if container in _FIRST:
        places = [found.start() for found in _FIRST[container].finditer(data)]
    if len(places) < 2:
        return False
    return container in _UNPLACED or places[-1] > _last_packet(source)


def _places(data: bytes, container: str) -> list[int]:
    known = _BEGINNINGS | {each: _FIRST[each] for each in _MISREAD}
    beginning = known.get(container)
    return [found.start() for found in beginning.finditer(data)] if beginning else []


def lasting(source: Path) -> float:
    """The seconds that all packets last, also those that do not decode."""
    said = _packets(source, "pts_time,duration_time").split()
    times = [line.split(",")[:2] for line in said]
    ends = [float(time) + float(length) for time, length in times if "N/A" not in (time, length)]
    begins = [float(time) for time, _ in times if time != "N/A"]
    return max(ends, default=0.0) - min(begins, default=0.0)


def _last_packet(source: Path) -> int:
    said = _packets(source, "pos")
    if not said:
        # One track keeps ffprobe from reading the others, but not ffmpeg.
        return sys.maxsize
    return max((int(line) for line in said.split() if line.isdigit()), default=0)


def _packets(source: Path, fields: str) -> str:
    """Some fields of each packet, one packet a line; nothing where ffprobe does not read them."""
    command = [find_ffprobe(None), "-v", "error", "-show_entries", f"packet={fields}"]
    run = subprocess.run(
        [*command, "-of", "csv=p=0", str(source)],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    return "" if run.returncode else run.stdout
