"""FLV files made by ffmpeg, as tags."""

import subprocess
from pathlib import Path

from services.live.flv.tags import Tag
from shared.programs.finding import find_ffmpeg


def flv(
    target: Path,
    *options: str,
    seconds: float = 4,
    size: str = "320x180",
    rate: int = 25,
    gop: int = 50,
    sound: bool = True,
) -> list[Tag]:
    """The tags of a moving test picture with a tone."""
    tone = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}")
    command = [
        *(find_ffmpeg(None), "-nostdin", "-v", "error", "-y"),
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"),
        *(tone if sound else ()),
        *("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"),
        *("-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0"),
        *(("-c:a", "aac", "-ac", "2") if sound else ()),
        *(*options, "-f", "flv", str(target)),
    ]
    subprocess.run(command, check=True, timeout=120)
    return tags(target.read_bytes())


def tags(data: bytes) -> list[Tag]:
    """The tags of a file."""
    found: list[Tag] = []
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        time = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        found.append(Tag(data[at], time, data[at + 11 : at + 11 + size]))
        at += 11 + size + 4
    return found
