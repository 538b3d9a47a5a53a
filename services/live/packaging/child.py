"""One ffmpeg of a session: tags go in, parts of all tracks come out."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from services.live.flv.tags import FILE_HEADER, Tag, encode
from services.live.packaging.command import arguments
from services.live.packaging.cuts import Cuts
from services.live.packaging.fragments import Init, Part, read_track_output
from services.live.packaging.layout import SOUND, Layout
from shared.mp4.boxes import MalformedMp4
from shared.programs.confinement import Limits
from shared.programs.piped import PipedProgram

# What it may take to write what it still holds.
_FLUSH_SECONDS: Final = 8.0
# FLV's flags for a file with a picture alone.
_PICTURE_ONLY: Final = FILE_HEADER[:4] + b"\1" + FILE_HEADER[5:]


class Output(Protocol):
    """Takes what the children of a session make, in order."""

    def begin(self, layout: Layout) -> None:
        """A new child: what follows stands behind a discontinuity."""
        ...

    def init(self, track: str, init: Init) -> None: ...

    def part(self, track: str, number: int, part: Part, at: float) -> None:
        """A part of segment ``number``. ``at``: its time of day in Unix seconds."""
        ...

    def end(self) -> None:
        """The child has ended: its last segments are whole."""
        ...


class Program(msgspec.Struct, frozen=True):
    """ffmpeg, the folder that it may see, and its limits."""

    ffmpeg: str
    folder: Path
    limits: Limits


class Child:
    """Started with a layout. ``clock``: the time of day at the timeline's zero, in seconds."""

    def __init__(
        self,
        program: Program,
        layout: Layout,
        cuts: Cuts,
        output: Output,
        clock: Callable[[], float],
    ) -> None:
        self._program = program
        self._layout = layout
        self._cuts = cuts
        self._output = output
        self._clock = clock
        self._running: PipedProgram | None = None
        self._readers: list[asyncio.Task[None]] = []
        # When each track's last part ends, in seconds of the timeline.
        self.ends: dict[str, float] = {}

    async def start(self) -> None:
        self._output.begin(self._layout)
        tracks = self._layout.tracks
        self._running = await PipedProgram.start(
            lambda pipes: arguments(self._program.ffmpeg, self._layout, pipes),
            len(tracks),
            self._program.folder,
            self._program.limits,
        )
        for track, pipe in zip(tracks, self._running.outputs, strict=True):
            self._readers.append(asyncio.create_task(self._read(track, pipe)))
        sound = self._layout.sound is not None
        await self._running.write(FILE_HEADER if sound else _PICTURE_ONLY)

    async def write(self, tag: Tag) -> None:
        """Waits while ffmpeg is slow. Raises ProgramEnded."""
        if self._running is not None:
            await self._running.write(encode(tag))

    @property
    def said(self) -> str:
        """What it wrote to its standard error."""
        return self._running.said if self._running is not None else ""

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        return self._running.cpu_seconds if self._running is not None else 0.0

    async def finish(self) -> None:
        """End its input, and pass on everything that it still writes."""
        if self._running is not None:
            self._running.finish()
            await self._end(self._running, _FLUSH_SECONDS)

    async def stop(self) -> None:
        """End it; what it has written already is passed on."""
        if self._running is not None:
            await self._end(self._running, 0.0)

    async def _end(self, running: PipedProgram, seconds: float) -> None:
        await running.stop(seconds)
        self._running = None
        await asyncio.gather(*self._readers, return_exceptions=True)
        running.close()
        self._output.end()

    async def _read(self, track: str, pipe: asyncio.StreamReader) -> None:
        timescale = 0
        current: int | None = None
        try:
            async for item in read_track_output(pipe):
                if isinstance(item, Init):
                    timescale = item.timescale
                    self._output.init(track, item)
                    continue
                seconds = item.start / timescale
                number = self._cuts.number(seconds)
                # A segment of the picture begins with a key picture.
                later = number is not None and (current is None or number > current)
                if later and (track == SOUND or item.key):
                    current = number
                if current is not None:
                    self.ends[track] = seconds + item.duration / timescale
                    self._output.part(track, current, item, self._clock() + seconds)
        except MalformedMp4:
            # Ends it: the next tag finds that it is gone.
            if self._running is not None:
                await self._running.stop()
