"""Files that last a moment only."""

import struct
from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import X264, Recipe, made, picture, tone


def one_frame(ticks: int, *options: str) -> Recipe:
    """The recipe of an MP4 file of one frame that is shown for ``ticks`` of 12,800 a second."""

    def write(folder: Path) -> Path:
        target = folder / "a.mp4"
        ffmpeg(*picture("160x90"), *options, *X264, "-frames:v", "1", "-c:a", "aac", str(target))
        data = bytearray(target.read_bytes())
        struct.pack_into(">I", data, data.index(b"stts") + 16, ticks)
        target.write_bytes(data)
        return target

    return write


MOMENTS: Final[dict[str, Recipe]] = {
    "a frame of no length": one_frame(0),
    "a frame of one tick": one_frame(1),
    "a frame of one tick, with sound": one_frame(1, *tone()),
    "20 ms of sound": made("a.wav", *tone(seconds=0.02)),
    "20 ms of sound in MP4": made("a.m4a", *tone(seconds=0.02)),
}
