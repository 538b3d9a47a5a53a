"""Decodes a little of tracks that ffprobe does not fully describe, with the ffmpeg of the encodes.

ffprobe and ffmpeg may be of different versions, and a codec that ffmpeg lists may still have
variants that it does not decode.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.planning.ffprobe_answer import ProbeReport, Stream
from services.transcoder.planning.tracks import doubtful_sounds, unmeasured_pictures
from shared.programs.confinement import Limits
from shared.programs.finding import decoders_of
from shared.programs.process import RunFailed, run_ffmpeg

_SECONDS: Final = 60.0
_MEMORY_BYTES: Final = 768 << 20
_FILE_BYTES: Final = 1 << 30
# Tracks that are tried; a file with more of them has them left out.
_MOST: Final = 12
# Where a WAV file has its number of channels, two bytes, and its sample rate, four.
_WAV_CHANNELS: Final = 22
# Bytes of a WAV file without samples, at most.
_EMPTY_WAV: Final = 128

First = Callable[[ffmpeg.Input, int, Path], list[str]]
"""The arguments that decode the beginning of a numbered track to a file."""


class TrackTrials:
    """Tries tracks of one source. ``open_source`` opens it as a whole, if a track must be tried."""

    def __init__(
        self, program: str, folder: Path, open_source: Callable[[], Awaitable[ffmpeg.Input]]
    ) -> None:
        self._program = program
        self._folder = folder
        self._open = open_source

    async def decoders(self) -> frozenset[str]:
        """The codecs that ffmpeg decodes."""
        return await asyncio.to_thread(decoders_of, self._program)

    async def completed(self, report: ProbeReport) -> ProbeReport:
        """The report, with what ffmpeg found of doubtful tracks.

        A sound that does not decode has no channels, a picture no size.
        """
        known = await self.decoders()
        sounds = [s for s in doubtful_sounds(report) if s.codec_name in known][:_MOST]
        pictures = [s for s in unmeasured_pictures(report) if s.codec_name in known][:_MOST]
        if not sounds and not pictures:
            return report
        source = await self._open()
        tried = {s.index: await self._sound(source, s) for s in sounds}
        tried |= {s.index: await self._picture(source, s) for s in pictures}
        streams = [tried.get(s.index, s) for s in report.streams]
        return msgspec.structs.replace(report, streams=streams)

    async def decodes(self, first: First, source: ffmpeg.Input, stream: int | None) -> bool:
        """Whether anything of a track decodes; one without a number is taken to."""
        return stream is None or len(await self._first(first, source, stream)) > _EMPTY_WAV

    async def _sound(self, source: ffmpeg.Input, stream: Stream) -> Stream:
        data = await self._first(ffmpeg.first_sound, source, stream.index)
        channels = int.from_bytes(data[_WAV_CHANNELS : _WAV_CHANNELS + 2], "little")
        rate = int.from_bytes(data[_WAV_CHANNELS + 2 : _WAV_CHANNELS + 6], "little")
        return msgspec.structs.replace(stream, channels=channels, sample_rate=str(rate))

    async def _picture(self, source: ffmpeg.Input, stream: Stream) -> Stream:
        # A PPM file begins with "P6", its width and its height.
        fields = (await self._first(ffmpeg.first_picture, source, stream.index)).split(maxsplit=3)[
            1:3
        ]
        width, height = (int(field) for field in fields) if len(fields) == 2 else (0, 0)
        return msgspec.structs.replace(stream, width=width, height=height)

    async def _first(self, arguments: First, source: ffmpeg.Input, stream: int) -> bytes:
        """The beginning of a file that holds what decodes first of a track; empty if nothing."""
        target = self._folder / f"trial-{stream}"
        limits = Limits(
            seconds=_SECONDS,
            cpu_seconds=int(_SECONDS),
            memory_bytes=_MEMORY_BYTES,
            file_bytes=_FILE_BYTES,
            port=source.port,
            nice=0,
        )
        try:
            await run_ffmpeg(
                [self._program, *arguments(source, stream, target)], self._folder, limits
            )
        except RunFailed:
            return b""
        return await asyncio.to_thread(_take, target)


def _take(target: Path) -> bytes:
    """The first bytes of a file, which is deleted."""
    try:
        with target.open("rb") as file:
            return file.read(4096)
    except FileNotFoundError:
        return b""
    finally:
        target.unlink(missing_ok=True)
