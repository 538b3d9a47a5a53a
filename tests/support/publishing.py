"""A program that publishes to a live stream, as a person's does."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from shared.programs.finding import find_ffmpeg


@contextmanager
def publishing(url: str, seconds: int) -> Iterator["subprocess.Popen[bytes]"]:
    """ffmpeg sends a test picture and a tone, as fast as a camera does."""
    picture = f"testsrc=size=320x180:rate=15:duration={seconds}"
    sound = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15"]
    arguments = [
        *(find_ffmpeg(None), "-v", "error", "-nostdin", "-re"),
        *("-f", "lavfi", "-i", picture, "-re", "-f", "lavfi", "-i", sound),
        *encode,
        *("-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k", "-f", "flv", url),
    ]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
