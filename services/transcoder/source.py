"""Reading a source: what is in it, where it ends, and whose fault it is when that fails."""

import re
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder import ffmpeg
from services.transcoder.facts import Extent, Source, parse_report, read_source
from services.transcoder.media_errors import MediaRejected, TaskFailed
from services.transcoder.process import (
    Limits,
    OutputTooLarge,
    RunFailed,
    run_ffprobe,
    run_ffprobe_lines,
)
from shared.blobs.store import BlobNotFound, BlobStore, BlobStoreUnavailable

# A presigned URL outlives the longest task by far and is of no use to anybody else.
URL_SECONDS: Final = 6 * 3600
_PROBE_SECONDS: Final = 60.0
_SCAN_SECONDS: Final = 900.0
_MEMORY_BYTES: Final = 2 << 30
# Small enough to be read whole: then every frame's time is known.
_SCAN_BYTES: Final = 32 << 20
_TAIL_SECONDS: Final = 3.0


async def open_source(sources: BlobStore, key: str) -> ffmpeg.Input:
    """A URL through which ffmpeg reads the source. Raises MediaRejected, TaskFailed."""
    try:
        blob = await sources.head(key)
        if blob.size == 0:
            raise MediaRejected("media.empty", "The file is empty.")
        return ffmpeg.Input(await sources.presign_get(key, URL_SECONDS), remote=True)
    except BlobNotFound as error:
        raise MediaRejected("source.missing", "The uploaded file is no longer there.") from error
    except BlobStoreUnavailable as error:
        raise TaskFailed("storage.unavailable", "The storage did not answer.") from error


async def examine(ffprobe: str, source: ffmpeg.Input, size: int, folder: Path) -> Source:
    """The source's facts, its exact end among them. Raises MediaRejected, TaskFailed."""
    try:
        answer = await run_ffprobe(
            [ffprobe, *ffmpeg.probe(source)], folder, _limits(source, _PROBE_SECONDS)
        )
    except OutputTooLarge as error:
        raise MediaRejected(
            "media.too_complex", "The file describes more tracks than we can handle."
        ) from error
    except RunFailed as error:
        raise blame(error, source) from error
    found = read_source(parse_report(answer), size)
    whole = found.duration is None or size <= _SCAN_BYTES
    after = None if whole else found.start + max(0.0, (found.duration or 0) - _TAIL_SECONDS)
    extent = Extent(found.main)
    try:
        await run_ffprobe_lines(
            [ffprobe, *ffmpeg.packets(source, after)],
            folder,
            _limits(source, _SCAN_SECONDS),
            extent.add,
        )
    except RunFailed as error:
        raise blame(error, source) from error
    extent.close()
    return with_extent(found, extent, whole=whole)


def with_extent(found: Source, extent: Extent, *, whole: bool) -> Source:
    """The facts corrected by what the packets say. Raises MediaRejected for a truncated file."""
    stated = found.duration
    last = extent.any_end
    if last is None:
        raise MediaRejected("media.truncated", TRUNCATED)
    reached = last - found.start
    if stated is not None and reached < stated - max(2.0, stated / 50):
        raise MediaRejected(
            "media.truncated", TRUNCATED, f"says {stated:.1f} s, but ends at {reached:.1f} s"
        )
    end = (extent.main_end - found.start) if extent.main_end is not None else stated
    # A tail is read from its own key frame on, so what it says of the end holds; but a track
    # that ended before the tail began is only known by what the container states.
    duration = end if end and (whole or stated is None or end > stated - _TAIL_SECONDS) else stated
    if not duration or duration <= 0:
        raise MediaRejected("media.empty", "The video has no length.")
    facts = msgspec.structs.replace(found.facts, duration_ms=round(duration * 1000))
    if facts.video is not None and whole:
        longest = round(1000 * extent.longest)
        video = msgspec.structs.replace(facts.video, longest_frame_ms=longest)
        facts = msgspec.structs.replace(facts, video=video)
    return msgspec.structs.replace(found, facts=facts, duration=duration)


TRUNCATED: Final = (
    "The file is incomplete or damaged: it ends before it says it does. Please upload it again."
)

_STORAGE_WORDS: Final = re.compile(
    r"Server returned|HTTP error|Connection refused|Connection reset|Connection timed out"
    r"|Network is unreachable|Failed to resolve|Input/output error|Stream ends prematurely"
)
_URL: Final = re.compile(r"https?://\S+")


def blame(error: RunFailed, source: ffmpeg.Input) -> MediaRejected | TaskFailed:
    """Whether the source or its surroundings are at fault when ffmpeg or ffprobe fails."""
    detail = hide_address(error.detail, source)
    if error.timed_out:
        return TaskFailed("media.too_slow", "Reading this file takes too long.", detail)
    if _STORAGE_WORDS.search(error.detail):
        return TaskFailed("storage.unreadable", "The uploaded file could not be read.", detail)
    if "moov atom not found" in error.detail:
        return MediaRejected("media.truncated", TRUNCATED, detail)
    if error.killed:
        return TaskFailed(
            "media.too_heavy",
            "Processing this file takes more memory or time than allowed.",
            detail,
        )
    if "max_streams" in error.detail:
        return MediaRejected("media.too_many_streams", "The file has too many tracks.", detail)
    return MediaRejected(
        "media.unreadable", "This file is not a video that we can read, or it is damaged.", detail
    )


def hide_address(text: str, source: ffmpeg.Input) -> str:
    """ffmpeg's words without the presigned URL: its signature opens the source to anybody."""
    return _URL.sub("source", text.replace(source.location, "source"))[-2000:]


def _limits(source: ffmpeg.Input, seconds: float) -> Limits:
    return Limits(
        seconds=seconds,
        cpu_seconds=int(seconds),
        memory_bytes=_MEMORY_BYTES,
        file_bytes=0,
        network=source.remote,
        nice=0,
    )
