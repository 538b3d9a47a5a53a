"""Runs ffprobe on a source, and classifies failures of ffprobe and ffmpeg."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.source_reader import IndexedSource
from services.transcoder.encoding.track_trials import TrackTrials
from services.transcoder.mp4.protection import protection_of
from services.transcoder.planning.ending import GUESSED, ending, with_note
from services.transcoder.planning.ffprobe_answer import ProbeReport, parse_report
from services.transcoder.planning.media_errors import (
    CHANGES,
    NO_TIMES,
    MediaRejected,
    TaskFailed,
    failed,
    rejected,
)
from services.transcoder.planning.probe_report import (
    JUMPING,
    MAX_STREAMS,
    Extent,
    ProbedSource,
    read_source,
)
from services.transcoder.planning.reasons import reason
from shared.contracts import AudioTrack
from shared.programs.confinement import Limits
from shared.programs.process import (
    OutputTooLarge,
    RunFailed,
    SourceChanges,
    TooMuchOutput,
    run_ffprobe,
    run_ffprobe_lines,
)

_PROBE_SECONDS: Final = 60.0
_SCAN_SECONDS: Final = 900.0
_MEMORY_BYTES: Final = 768 << 20
# Sources up to this size are read as a whole, so that the time of every frame is known; larger ones
# if they have less than so many bytes a second, because most of their length may be gaps.
_SCAN_BYTES: Final = 32 << 20
_DENSE_BYTES: Final = 12_500
_TAIL_SECONDS: Final = 3.0
# Sound may be so much longer than the picture without making the video longer: players play it out.
_HOLD_SECONDS: Final = 1.0


async def probe_indexed(
    ffprobe: str,
    known: IndexedSource,
    outline: ffmpeg.Input,
    folder: Path,
    *,
    trials: TrackTrials | None = None,
) -> ProbedSource:
    """The facts of a source with a sample index; ``outline``: its tables and first frames.

    Raises MediaRejected, TaskFailed.
    """
    locks = {t.number: lock for t in known.index.tracks if (lock := protection_of(t.entry))}
    found = await _probe(ffprobe, outline, known.size, folder, trials=trials, locks=locks)
    seconds = await asyncio.to_thread(lambda: known.index.seconds)
    found = msgspec.structs.replace(found, seconds=seconds)
    ends = {t.number: t.until for t in known.index.tracks if t.edits.linear}
    found = _with_sound_ends(found, ends)
    video = found.facts.video
    picture = known.index.picture_at(video.stream) if video else None
    stated = found.start + (found.duration or 0.0)
    # A sound alone that begins late ends later than after the length that it states.
    beside = found.streams - {found.main} if video else found.streams
    others = [t.until for t in known.index.tracks if t.number in beside]
    if picture is None:
        return with_ends(found, stated, max(others, default=None))
    # An edit list that leaves frames out determines the duration itself.
    end = picture.finish if picture.edits.whole else stated
    longest = await asyncio.to_thread(lambda: picture.longest)
    return _with_longest(with_ends(found, end, max(others, default=None)), longest)


async def unopened(ffprobe: str, source: ffmpeg.Input, folder: Path) -> int | None:
    """The number of the first stream whose decoder does not accept what the file says of it.

    ffprobe describes no stream of such a file. None for other failures.
    """
    arguments = [ffprobe, *ffmpeg.probe(source, frames=False, warnings=True)]
    try:
        await run_ffprobe(arguments, folder, _limits(source, _PROBE_SECONDS))
    except RunFailed as error:
        found = _UNOPENED.search(error.detail)
        return int(found[1]) if found else None
    return None


async def probe_stated(
    ffprobe: str,
    source: ffmpeg.Input,
    size: int,
    folder: Path,
    *,
    trials: TrackTrials | None = None,
    locks: Mapping[int, str] | None = None,
) -> ProbedSource:
    """The source's facts as its container states them, true or not.

    ``locks``: the protection of encrypted tracks by their number. Raises MediaRejected, TaskFailed.
    """
    return await _probe(ffprobe, source, size, folder, trials=trials, locks=locks or {})


async def probe_source(
    ffprobe: str,
    source: ffmpeg.Input,
    size: int,
    folder: Path,
    *,
    trials: TrackTrials | None = None,
    locks: Mapping[int, str] | None = None,
) -> ProbedSource:
    """The source's facts, with its exact end. Raises MediaRejected, TaskFailed.

    ``locks`` as for ``probe_stated``.
    """
    found = await _probe(ffprobe, source, size, folder, trials=trials, locks=locks or {})
    duration = found.duration or 0.0
    guessed = duration <= _TAIL_SECONDS or found.facts.container in GUESSED
    whole = guessed or size <= max(_SCAN_BYTES, duration * _DENSE_BYTES)
    extent = await _scan(ffprobe, source, folder, found, after=None if whole else _tail(found))
    last = extent.any_end
    if not whole and (
        last is None
        or (extent.main_end is None and not extent.untimed)
        or ending(found.stated, found.start, last).early
    ):
        # Its end or its picture's is missing, or elsewhere than the container says.
        whole = True
        extent = await _scan(ffprobe, source, folder, found, after=None)
    return with_extent(found, extent, whole=whole)


def _tail(found: ProbedSource) -> float:
    """The time from which on a source is read to find its end."""
    stated = found.duration or 0.0
    # What begins late may state the time of its end instead of its length.
    end = stated if found.start < stated else found.start + stated
    return max(found.start, end - _TAIL_SECONDS)


async def read_packets(
    ffprobe: str, source: ffmpeg.Input, folder: Path, found: ProbedSource
) -> Extent:
    """What all packets of a source say. Raises MediaRejected, TaskFailed."""
    return await _scan(ffprobe, source, folder, found, after=None)


async def _scan(
    ffprobe: str, source: ffmpeg.Input, folder: Path, found: ProbedSource, *, after: float | None
) -> Extent:
    """What the packets from ``after`` on say. Raises MediaRejected, TaskFailed."""
    extent = Extent(found.main, found.streams, found.in_order)
    try:
        await run_ffprobe_lines(
            [ffprobe, *ffmpeg.packets(source, after, ordered=found.ordered)],
            folder,
            _limits(source, _SCAN_SECONDS),
            extent.add,
        )
    except RunFailed as error:
        raise classify_failure(error, source) from error
    extent.close()
    return extent


async def _probe(
    ffprobe: str,
    source: ffmpeg.Input,
    size: int,
    folder: Path,
    *,
    trials: TrackTrials | None,
    locks: Mapping[int, str],
) -> ProbedSource:
    allowed = _limits(source, _PROBE_SECONDS)
    try:
        try:
            answer = await run_ffprobe([ffprobe, *ffmpeg.probe(source)], folder, allowed)
        except RunFailed as error:
            if not error.killed or error.timed_out:
                raise
            # The first frames are too large for the memory; the streams still say most.
            arguments = [ffprobe, *ffmpeg.probe(source, frames=False)]
            answer = await run_ffprobe(arguments, folder, allowed)
    except OutputTooLarge as error:
        raise rejected("media.too_complex") from error
    except RunFailed as error:
        raise classify_failure(error, source) from error
    report = _with_hidden(parse_report(answer), source)
    if trials is None:
        return read_source(report, size, protected=locks)
    return read_source(await trials.completed(report), size, await trials.decoders(), locks)


def _with_hidden(report: ProbeReport, source: ffmpeg.Input) -> ProbeReport:
    """The report, with what is known of hidden tracks: nothing of them can be decoded."""
    streams = list(report.streams)
    for each in source.hidden:
        for place, stream in enumerate(streams):
            if stream.index == each.number:
                named = {"codec_type": each.kind, "codec_name": each.codec}
                streams[place] = msgspec.structs.replace(
                    stream, **named, channels=0, width=0, height=0
                )
    return msgspec.structs.replace(report, streams=streams)


def with_extent(found: ProbedSource, extent: Extent, *, whole: bool) -> ProbedSource:
    """The facts corrected by the packets' times. Raises MediaRejected where there are none."""
    found = msgspec.structs.replace(found, place=extent.place)
    if extent.untimed > extent.timed:
        raise rejected(NO_TIMES)
    last = extent.any_end
    jumping = found.facts.container in JUMPING
    jumps = extent.back + (extent.on if jumping else 0)
    if jumps:
        return msgspec.structs.replace(found, jumps=jumps)
    if last is None:
        if jumping:
            # The end that the container states, from the last time stamp, is not there.
            return msgspec.structs.replace(found, jumps=1)
        raise rejected("media.truncated")
    guessed = found.facts.container in GUESSED
    ended = ending(None if guessed else found.duration, found.start, last)
    stated = ended.reached if ended.stated is None or ended.early else ended.stated
    # Sound may be longer than the picture, and is cut with it.
    whole_file = ending(None if guessed else found.stated, found.start, last)
    if whole_file.early:
        found = msgspec.structs.replace(found, facts=with_note(found.facts, whole_file))
    end = (extent.main_end - found.start) if extent.main_end is not None else stated
    # The end of a track that ends inside the tail is exact. A track that ends before it has no
    # packets there, so the container's statement counts.
    duration = end if end and (whole or end > stated - _TAIL_SECONDS) else stated
    known = with_ends(found, found.start + duration, extent.other_end)
    if not whole:
        return known
    known = msgspec.structs.replace(known, seconds=frozenset(extent.seconds))
    known = _with_sound_ends(known, extent.ends)
    return _with_longest(known, extent.longest)


def with_ends(found: ProbedSource, main: float, other: float | None) -> ProbedSource:
    """The facts of a source whose main track ends at ``main``, and the longest other at ``other``.

    Sound that goes on long after the picture makes the video longer, and the last picture is held.
    Raises MediaRejected for a source without length.
    """
    video = found.facts.video
    if other is None or other <= main + (_HOLD_SECONDS if video else 0.0):
        return _with_end(found, main)
    ended = _with_end(found, other)
    if video is None:
        return ended
    length = max(main - found.start, _one_frame(found))
    video = msgspec.structs.replace(video, length_ms=max(1, round(1000 * length)))
    facts = msgspec.structs.replace(ended.facts, video=video)
    return msgspec.structs.replace(ended, facts=facts)


def _with_end(found: ProbedSource, end: float) -> ProbedSource:
    duration = end - found.start
    if duration >= 0:
        # The last frame of some files has no duration, or one tick; a frame is shown nevertheless.
        duration = max(duration, _one_frame(found))
    if duration <= 0:
        raise rejected("media.empty")
    facts = msgspec.structs.replace(found.facts, duration_ms=round(duration * 1000))
    return msgspec.structs.replace(found, facts=facts, duration=duration)


def _one_frame(found: ProbedSource) -> float:
    """How long a frame is shown, in seconds; 0 for sound."""
    return float(1 / found.frame_rate) if found.frame_rate else 0.0


def _with_sound_ends(found: ProbedSource, ends: Mapping[int, float]) -> ProbedSource:
    """The facts with the end of each sound track; ``ends``: in seconds of the file's time."""

    def ended(track: AudioTrack) -> AudioTrack:
        end = None if track.stream is None else ends.get(track.stream)
        if end is None:
            return track
        return msgspec.structs.replace(track, end_ms=round(1000 * (end - found.start)))

    audio = tuple(map(ended, found.facts.audio))
    facts = msgspec.structs.replace(found.facts, audio=audio)
    return msgspec.structs.replace(found, facts=facts)


def _with_longest(found: ProbedSource, longest: float) -> ProbedSource:
    video = found.facts.video
    if video is None:
        return found
    video = msgspec.structs.replace(video, longest_frame_ms=round(1000 * longest))
    facts = msgspec.structs.replace(found.facts, video=video)
    return msgspec.structs.replace(found, facts=facts)


# What ffprobe says before it ends because of one stream.
_UNOPENED: Final = re.compile(r"Could not open codec for input stream ([0-9]{1,5})")
# Messages about the worker's disk: the source is not at fault.
_SCRATCH_WORDS: Final = re.compile(
    "No space left on device|No such file or directory|Disk quota exceeded|Read-only file system"
)
# Messages about the object storage: the source is not at fault.
_STORAGE_WORDS: Final = re.compile(
    r"Server returned|HTTP error|Connection refused|Connection reset|Connection timed out"
    r"|Network is unreachable|Failed to resolve|Input/output error|Stream ends prematurely"
)
# Messages of runs that reach the limit of their memory; x264 only says that it failed.
_MEMORY_WORDS: Final = re.compile("Cannot allocate memory|Generic error in an external library")
_URL: Final = re.compile(r"https?://\S+")


def classify_failure(  # noqa: PLR0911 - one return per cause
    error: RunFailed, source: ffmpeg.Input
) -> MediaRejected | TaskFailed:
    """The error of a failed run: MediaRejected where the source is at fault, else TaskFailed."""
    detail = hide_address(error.detail, source)
    if isinstance(error, TooMuchOutput):
        return rejected("media.too_much_output", detail)
    if isinstance(error, SourceChanges):
        return rejected(CHANGES, detail)
    if error.timed_out:
        return failed("media.too_slow", detail)
    if _STORAGE_WORDS.search(error.detail):
        return failed("storage.unreadable", detail)
    if _SCRATCH_WORDS.search(error.detail):
        return failed("worker.scratch", detail)
    if "moov atom not found" in error.detail:
        return MediaRejected("media.truncated", reason("media.no_index"), detail)
    if error.killed or _MEMORY_WORDS.search(error.detail):
        return failed("media.too_heavy", detail)
    if "max_streams" in error.detail:
        return rejected("media.too_many_streams", detail, most=str(MAX_STREAMS))
    return rejected("media.unreadable", detail)


def hide_address(text: str, source: ffmpeg.Input) -> str:
    """ffmpeg's messages without the source's address."""
    return _URL.sub("source", text.replace(source.location, "source"))[-2000:]


def _limits(source: ffmpeg.Input, seconds: float) -> Limits:
    return Limits(
        seconds=seconds,
        cpu_seconds=int(seconds),
        memory_bytes=_MEMORY_BYTES,
        file_bytes=0,
        port=source.port,
        nice=0,
    )
