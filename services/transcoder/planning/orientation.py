"""How a picture is cropped and turned before it is shown, from ffprobe's side data. Pure.

ffmpeg itself crops and turns what it decodes; these facts are what comes out of that. A rotation
alone does not tell a mirrored picture from one that stands on its head, so the matrix is read.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from services.transcoder.planning.ffprobe_answer import SideData

_MATRIX_NUMBERS: Final = 9
# The bits of a fraction in the first two columns of the matrix.
_UNIT: Final = 1 << 16
# What a display matrix may be off by and still count as a plain one.
_SLACK: Final = _UNIT // 100


class Orientation(msgspec.Struct, frozen=True):
    """``mirrored``: flipped from left to right, and then turned by ``rotation`` degrees
    counterclockwise."""

    rotation: int = 0
    mirrored: bool = False

    @property
    def sideways(self) -> bool:
        """Whether width and height change places. ffmpeg turns odd angles in the same frame."""
        return self.rotation % 180 == 90


def orientation_of(*sources: Sequence[SideData]) -> Orientation:
    """The orientation by the first of ``sources`` (a frame, its stream) that states one."""
    for side_data in sources:
        for each in side_data:
            found = _by_matrix(each.displaymatrix) if each.displaymatrix else None
            if found is not None:
                return found
            if each.rotation and abs(each.rotation) <= 360:
                return Orientation(round(each.rotation) % 360)
    return Orientation()


def cropped(width: int, height: int, side_data: Sequence[SideData]) -> tuple[int, int]:
    """The size without the lines that the container cuts off; the whole where too little is left.

    They are cut off before the picture is turned.
    """
    for each in side_data:
        across = width - each.crop_left - each.crop_right
        down = height - each.crop_top - each.crop_bottom
        if 0 < across <= width and 0 < down <= height:
            width, height = across, down
    return width, height


def _by_matrix(text: str) -> Orientation | None:
    """Read a matrix as ffprobe prints it: lines of an offset and three numbers."""
    words = [word for line in text.splitlines() for word in line.partition(":")[2].split()]
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        return None
    if len(numbers) != _MATRIX_NUMBERS:
        return None
    a, b, _, c, d = numbers[:5]
    if max(abs(a), abs(b)) <= _SLACK or max(abs(c), abs(d)) <= _SLACK:
        return None
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return Orientation(round(math.degrees(math.atan2(-b, a))) % 360, mirrored)
