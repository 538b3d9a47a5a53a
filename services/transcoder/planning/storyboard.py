"""The storyboard: one sprite per chunk, and a WebVTT file that maps times to its tiles. Pure.

A tile is the first key frame of a segment of the lowest rendition, so it needs little decoding.
The layout follows from the plan alone.
"""

from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.object_keys import sprite_key
from services.transcoder.planning.plan import timeline_of
from shared.contracts import Chunk, TranscodePlanned

CONTENT_TYPE: Final = "text/vtt"

_TILE_WIDTH: Final = 160
_TILE_HEIGHT: Final = 160
_COLUMNS: Final = 10
# In a chunk of more segments (a source that is not splittable) a tile covers several of them.
_MAX_TILES: Final = 100
# A cue must end after its beginning: as little later as a time can state.
_LEAST_CUE: Final = Fraction(1, 1000)


class Sheet(msgspec.Struct, frozen=True):
    """The layout of a sprite: tile size in pixels, one tile per ``step`` segments."""

    width: int
    height: int
    tiles: int
    columns: int
    step: int

    @property
    def rows(self) -> int:
        return -(-self.tiles // self.columns)

    def place(self, tile: int) -> tuple[int, int]:
        """The upper left corner of a tile: x and y in pixels."""
        return tile % self.columns * self.width, tile // self.columns * self.height


def sheet(planned: TranscodePlanned, chunk: Chunk) -> Sheet:
    """The layout of a chunk's sprite."""
    lowest = planned.renditions[-1]
    scale = min(
        Fraction(1),
        Fraction(_TILE_WIDTH, lowest.width),
        Fraction(_TILE_HEIGHT, lowest.height),
    )
    step = -(-chunk.segments // _MAX_TILES)
    tiles = -(-chunk.segments // step)
    return Sheet(
        width=max(2, round(lowest.width * scale / 2) * 2),
        height=max(2, round(lowest.height * scale / 2) * 2),
        tiles=tiles,
        columns=min(tiles, _COLUMNS),
        step=step,
    )


def webvtt(planned: TranscodePlanned) -> str:
    """The WebVTT file: one cue per tile; its text is the sprite's URI and the tile's rectangle."""
    line = timeline_of(planned)
    end = Fraction(planned.source.duration_ms, 1000)
    lines = ["WEBVTT", ""]
    for chunk in planned.chunks:
        layout = sheet(planned, chunk)
        image = sprite_key(planned.prefix, chunk.index).removeprefix(f"{planned.prefix}/")
        for tile in range(layout.tiles):
            first = chunk.first_segment + tile * layout.step
            last = min(first + layout.step, chunk.first_segment + chunk.segments)
            start = line.first_frame(first) / line.frame_rate
            stop = min(end, line.first_frame(last) / line.frame_rate)
            left, top = layout.place(tile)
            lines.append(f"{_clock(start)} --> {_clock(max(stop, start + _LEAST_CUE))}")
            lines.append(f"{image}#xywh={left},{top},{layout.width},{layout.height}")
            lines.append("")
    return "\n".join(lines)


def _clock(seconds: Fraction) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
