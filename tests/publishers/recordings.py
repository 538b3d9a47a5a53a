"""A finished live as players get it: period by period, each decoded by itself.

A period begins behind a discontinuity, where another publisher's or encoder's pictures begin.
ffmpeg's own reader of playlists decodes all of them with the settings of the first one.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import httpx
import msgspec

from shared.programs.finding import find_ffmpeg

_MAP: Final = re.compile(r'#EXT-X-MAP:URI="([^"]+)"')
_DATE: Final = "#EXT-X-PROGRAM-DATE-TIME:"


class Period(msgspec.Struct):
    """Segments with one beginning. ``at``: the first one's time of day, in Unix seconds."""

    at: float
    seconds: float
    data: bytearray


def periods(client: httpx.Client, playlist: httpx.URL) -> Iterator[Period]:
    """The periods of a finished track, with all their bytes. Fails where one cannot be had.
    What the track does not have (EXT-X-GAP) ends a period, too."""
    found: Period | None = None
    begins, at, seconds, absent = b"", 0.0, 0.0, False
    for line in _fetch(client, playlist).decode().splitlines():
        if line.startswith("#EXTINF:"):
            seconds = float(line.removeprefix("#EXTINF:").rstrip(","))
        elif line.startswith(_DATE):
            at = datetime.fromisoformat(line.removeprefix(_DATE)).timestamp()
        elif line in ("#EXT-X-DISCONTINUITY", "#EXT-X-GAP"):
            absent = line == "#EXT-X-GAP"
            if found is not None:
                yield found
            found = None
        elif known := _MAP.match(line):
            begins = _fetch(client, playlist.join(known[1]))
        elif line and line[0] != "#":
            if not absent:
                found = found or Period(at, 0.0, bytearray(begins))
                found.seconds += seconds
                found.data += _fetch(client, playlist.join(line))
            at, absent = at + seconds, False
    if found is not None:
        yield found


def _fetch(client: httpx.Client, url: httpx.URL) -> bytes:
    answer = client.get(url)
    assert answer.is_success, (url, answer.status_code)
    return answer.content


def gaps(found: Sequence[Period], kind: str, folder: Path, most: float) -> list[str]:
    """Where more than ``most`` seconds are missing, within periods and between them."""
    missing: list[str] = []
    for number, period in enumerate(found):
        file = folder / f"{kind}-{number}.mp4"
        file.write_bytes(period.data)
        times = sorted(decoded(str(file), kind))
        missing += [
            f"period {number} of {len(found)}: from {before:.2f} to {after:.2f} s"
            for before, after in pairwise(times)
            if after - before > most
        ]
    missing += [
        f"from {before.at + before.seconds:.2f} to {after.at:.2f}"
        for before, after in pairwise(found)
        if after.at - before.at - before.seconds > most
    ]
    return missing


def decoded(source: str, kind: str, *options: str, complete: bool = True) -> list[float]:
    """When each picture (v) or piece of sound (a) that ffmpeg decodes is shown, in seconds.
    ``complete``: it must complain of nothing."""
    found = subprocess.run(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "error", "-i", source, *options),
            *("-map", f"0:{kind}:0", "-fps_mode", "passthrough", "-copyts"),
            *("-enc_time_base", "1:1000", "-f", "framecrc", "-"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not complete or (found.returncode, found.stderr) == (0, ""), found.stderr[:2000]
    lines = [line for line in found.stdout.splitlines() if line[0] != "#"]
    return [int(line.split(",")[2]) / 1000 for line in lines]
