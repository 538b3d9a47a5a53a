"""Decodes a little of tracks that ffprobe does not fully describe, with the ffmpeg of the encodes.

ffprobe and ffmpeg may be of different versions, with different decoders, and a codec that ffmpeg
lists may still have variants that it does not decode.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.planning.ffprobe_answer import ProbeReport, Stream, parse_report
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.tracks import doubtful_sounds, measured, unmeasured_pictures
from shared.programs.confinement import Limits
from shared.programs.finding import decoders_of
from shared.programs.process import RunFailed, run_ffmpeg, run_ffprobe

_SECONDS: Final = 60.0
_MEMORY_BYTES: Final = 768 << 20
_FILE_BYTES: Final = 1 << 30
# Tracks that are tried; a file with more of them has them left out.
_MOST: Final = 12
# Where a WAV file has its number of channels, two bytes, and its sample rate, four.
_WAV_CHANNELS: Final = 22
# Bytes of a WAV file without samples, at most.
_EMPTY_WAV: Final = 128


class TrackTrials:
    """Tries tracks of one source. ``open_source`` opens it as a whole, if a track must be tried."""

    def __init__(
        self,
        program: str,
        ffprobe: str,
        folder: Path,
        open_source: Callable[[], Awaitable[ffmpeg.Input]],
    ) -> None:
        self._program = program
        self._ffprobe = ffprobe
        self._folder = folder
        self._open = open_source

    async def decoders(self) -> frozenset[str]:
        """The codecs that ffmpeg decodes."""
        return await asyncio.to_thread(decoders_of, self._program)

    async def completed(self, report: ProbeReport) -> ProbeReport:
        """The report, with what ffmpeg found of doubtful tracks.

        A sound that does not decode has no channels.
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

    async def shows(self, source: ffmpeg.Input, stream: int | None) -> bool:
        """Whether any picture of a track decodes; one without a number is taken to."""
        return stream is None or await self._first_picture(source, stream) is not None

    async def sounds(self, source: ffmpeg.Input, stream: int | None) -> bool:
        """Whether any sound of a track decodes; one without a number is taken to."""
        return stream is None or len(await self._first_sound(source, stream)) > _EMPTY_WAV

    async def _sound(self, source: ffmpeg.Input, stream: Stream) -> Stream:
        data = await self._first_sound(source, stream.index)
        channels = int.from_bytes(data[_WAV_CHANNELS : _WAV_CHANNELS + 2], "little")
        rate = int.from_bytes(data[_WAV_CHANNELS + 2 : _WAV_CHANNELS + 6], "little")
        return msgspec.structs.replace(stream, channels=channels, sample_rate=str(rate))

    async def _picture(self, source: ffmpeg.Input, stream: Stream) -> Stream:
        first = await self._first_picture(source, stream.index)
        return stream if first is None else measured(stream, first)

    async def _first_sound(self, source: ffmpeg.Input, stream: int) -> bytes:
        """The beginning of a WAV file of a track's first samples; empty if nothing decodes."""
        target = self._folder / f"trial-{stream}.wav"
        decoded = await self._decode(ffmpeg.first_sound(source, stream, target), source)
        data = await asyncio.to_thread(_head, target) if decoded else b""
        await asyncio.to_thread(target.unlink, missing_ok=True)
        return data

    async def _first_picture(self, source: ffmpeg.Input, stream: int) -> Stream | None:
        """What ffprobe says of a track's first picture, stored anew; None if nothing decodes."""
        target = self._folder / f"trial-{stream}.mkv"
        try:
            if not await self._decode(ffmpeg.first_picture(source, stream, target), source):
                return None
            stored = ffmpeg.Input(str(target), remote=False)
            arguments = [self._ffprobe, *ffmpeg.probe(stored, frames=False)]
            report = parse_report(await run_ffprobe(arguments, self._folder, _limits(stored)))
        except (RunFailed, MediaRejected):
            return None
        finally:
            await asyncio.to_thread(target.unlink, missing_ok=True)
        return next(iter(report.streams), None)

    async def _decode(self, arguments: list[str], source: ffmpeg.Input) -> bool:
        try:
            await run_ffmpeg([self._program, *arguments], self._folder, _limits(source))
        except RunFailed:
            return False
        return True


def _limits(source: ffmpeg.Input) -> Limits:
    return Limits(
        seconds=_SECONDS,
        cpu_seconds=int(_SECONDS),
        memory_bytes=_MEMORY_BYTES,
        file_bytes=_FILE_BYTES,
        port=source.port,
        nice=0,
    )


def _head(target: Path) -> bytes:
    with target.open("rb") as file:
        return file.read(_EMPTY_WAV + 1)
