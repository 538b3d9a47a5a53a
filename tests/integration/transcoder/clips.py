"""Sources made for tests, and a look at what came out."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from shared.programs.finding import find_ffmpeg, find_ffprobe


def ffmpeg(*arguments: str, cwd: Path | None = None) -> None:
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-y", *arguments]
    # SVT-AV1 tells everything about itself otherwise.
    quiet = {**os.environ, "SVT_LOG": "1"}
    subprocess.run(command, check=True, cwd=cwd, timeout=300, env=quiet)


def make(target: Path, *options: str, seconds: float = 2, size: str = "320x240", rate: str = "25"):
    """A moving test picture with a tone, encoded as ``options`` say."""
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"),
        *("-preset", "ultrafast", "-shortest", *options, str(target)),
    )
    return target


def look(playlist: Path, *, count: bool = True) -> dict[str, Any]:
    """ffprobe of a playlist; what it complains of is under ``complaints``."""
    found = subprocess.run(
        [
            *(find_ffprobe(None), "-v", "warning", "-of", "json"),
            *(("-count_frames",) if count else ()),
            *("-show_streams", "-show_format", str(playlist)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return {**json.loads(found.stdout), "complaints": found.stderr.strip()}


def decoded(playlist: Path) -> int:
    """Frames that ffmpeg decodes of a playlist's picture, without a complaint. Unlike ffprobe's
    build it knows every codec."""
    found = subprocess.run(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "warning", "-i", str(playlist)),
            *("-map", "0:v", "-fps_mode", "passthrough", "-f", "framecrc", "-"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.stderr == ""
    return sum(line[0] != "#" for line in found.stdout.splitlines())


def pictures_on_the_web(playlist: str, pace: float = 0.0) -> int:
    """Pictures that ffmpeg's HLS reader finds with their sound, without an error.

    ``pace``: seconds of the video per second, 0 for as many as there are.
    """
    listed = subprocess.run(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "error", "-readrate", str(pace)),
            *("-i", playlist, "-map", "0:v:0", "-map", "0:a:0", "-c", "copy"),
            *("-f", "framecrc", "-"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert listed.stderr == "", listed.stderr
    return sum(line.startswith("0,") for line in listed.stdout.splitlines())


def frames_by_dash(manifest: str) -> list[int]:
    """Frames of each picture track that ffmpeg's DASH reader finds in a manifest on the web; in
    a file it does not look for ranges."""
    listed = subprocess.run(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "error", "-i", manifest),
            *("-map", "0:v", "-c", "copy", "-f", "framecrc", "-"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert listed.stderr == ""
    tracks = [line.split(",")[0] for line in listed.stdout.splitlines() if line[0] != "#"]
    return [tracks.count(track) for track in sorted(set(tracks))]
