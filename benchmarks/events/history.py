"""A log to rebuild from: what a site of so many uploads would have written, made without chance.

A video's life is some twenty events: an upload, a plan, chunks, progress, the end, and what people
do with it then. Two in a hundred fail and are tried again, one in a hundred is deleted.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from shared.contracts import (
    SCHEMA_VERSIONS,
    ChunkEncoded,
    DetailsChanged,
    EncodedTrack,
    Event,
    PublishedRendition,
    Segment,
    SourceFacts,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    UploadStarted,
    UserRegistered,
    VideoDeleted,
    VideoPlayable,
    VideoTrack,
    VideoUploaded,
    ViewsCounted,
    encode,
    stream_id,
)

CHUNKS = 6
VIDEOS_PER_USER = 10
# Videos whose events are mixed, as they are when they are processed side by side.
SIDE_BY_SIDE = 50
_PAGE = 20_000
_COLUMNS = (
    *("seq", "stream_id", "version", "event_id", "type", "schema_version"),
    *("data", "metadata", "recorded_at"),
)
_WORDS = ("harbour", "night", "train", "harvest", "river", "keynote", "recital", "summit", "tour")


def events(count: int) -> Iterator[tuple[str, Event]]:
    """``count`` facts in the order of the log, each with its stream."""
    written = 0
    number = 0
    while written < count:
        lives = [_life(number + offset) for offset in range(SIDE_BY_SIDE)]
        number += SIDE_BY_SIDE
        while lives and written < count:
            for life in list(lives):
                fact = next(life, None)
                if fact is None:
                    lives.remove(life)
                    continue
                yield fact
                written += 1
                if written == count:
                    return


def _life(number: int) -> Iterator[tuple[str, Event]]:
    owner = number // VIDEOS_PER_USER
    user, video = _id("user", owner), _id("video", number)
    if number % VIDEOS_PER_USER == 0:
        yield stream_id("user", user), UserRegistered(user_id=user, username=f"person-{owner}")
    title = f"{_WORDS[number % 9]} {_WORDS[number // 9 % 9]} {number}"
    upload, work, video_stream = (
        stream_id("upload", video),
        stream_id("transcode", video),
        stream_id("video", video),
    )
    yield upload, UploadStarted(video_id=video, user_id=user, protocol="tus", title=title)
    yield (
        upload,
        VideoUploaded(
            video_id=video,
            user_id=user,
            title=title,
            description=f"What happened at the {title}, in full length.",
            filename="clip.mp4",
            content_type="video/mp4",
            size=50_000_000,
            source_key=f"sources/{video}",
            tags=(_WORDS[number % 9], _WORDS[(number + 4) % 9]),
        ),
    )
    for attempt in (1, 2) if number % 50 == 0 else (1,):
        yield from ((work, event) for event in _transcode(video, user, attempt, number))
    yield video_stream, ViewsCounted(video_id=video, count=7, batch_id=_id("batch", number))
    if number % 5 == 0:
        yield (
            video_stream,
            DetailsChanged(video_id=video, title=f"{title}, again", description=""),
        )
    if number % 100 == 0:
        yield video_stream, VideoDeleted(video_id=video, user_id=user, deleted_by=user)


def _transcode(video: str, user: str, attempt: int, number: int) -> Iterator[Event]:
    at: dict[str, Any] = {"video_id": video, "attempt": attempt}
    size: dict[str, Any] = {"duration_ms": 180_000, "width": 1280, "height": 720}
    key = f"{video}/{attempt}/master.m3u8"
    if attempt > 1:
        yield TranscodeRetried(**at, requested_by=user)
    yield TranscodePlanned(
        **at,
        user_id=user,
        prefix=f"{video}/{attempt}/",
        source=SourceFacts(
            container="mp4",
            duration_ms=180_000,
            size=50_000_000,
            video=VideoTrack(codec="h264", width=1280, height=720),
        ),
        renditions=(),
        chunks=(),
        audio=(),
        segment_ms=4000,
        encoder="ffmpeg",
        worker="worker-1",
    )
    for chunk in range(CHUNKS):
        yield _encoded(video, attempt, chunk)
        if chunk == 0:
            yield VideoPlayable(**at, **size, playlist_key=key)
        yield TranscodeProgressed(**at, percent=100.0 * chunk / CHUNKS, stage="encoding")
    if number % 50 == 0 and attempt == 1:
        yield TranscodeFailed(**at, code="worker_lost", reason="The worker was lost.")
        return
    yield ThumbnailsCreated(**at, poster_key=f"{video}/{attempt}/poster.webp")
    yield TranscodeCompleted(
        **at,
        **size,
        playlist_key=key,
        size=40_000_000,
        renditions=tuple(
            PublishedRendition(
                name=f"{height}p",
                width=height * 16 // 9,
                height=height,
                bandwidth=height * 4000,
                average_bandwidth=height * 3000,
                codecs="avc1.64001f,mp4a.40.2",
                frame_rate="30000/1001",
            )
            for height in (360, 720)
        ),
    )


def _encoded(video: str, attempt: int, chunk: int) -> ChunkEncoded:
    return ChunkEncoded(
        video_id=video,
        attempt=attempt,
        chunk=chunk,
        tracks=(
            EncodedTrack(
                name="360p",
                timescale=30_000,
                codecs="avc1.64001e",
                init_key=f"{video}/{attempt}/360p/init.mp4",
                init_sha256="0" * 64,
                key=f"{video}/{attempt}/360p/{chunk}.m4s",
                segments=tuple(
                    Segment(index=n, start=n * 120_120, duration=120_120, size=200_000)
                    for n in range(chunk * 2, chunk * 2 + 2)
                ),
            ),
        ),
        worker="worker-1",
        try_number=1,
        elapsed_ms=900,
        speed=8.5,
    )


def _id(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}"))


async def fill(url: str, count: int) -> None:
    """Put ``count`` events into an empty log, with their positions."""
    await write(url, events(count))


async def write(url: str, facts: Iterable[tuple[str, Event]]) -> None:
    """Put ``facts`` into an empty log, each with its stream, with their positions."""
    connection = await asyncpg.connect(url)
    versions: dict[str, int] = {}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[tuple[Any, ...]] = []

    async def flush() -> None:
        await connection.copy_records_to_table(
            "events",
            schema_name="log",
            columns=_COLUMNS,
            records=rows,
        )
        await connection.copy_records_to_table(
            "positions",
            schema_name="log",
            columns=("position", "seq"),
            records=[(row[0], row[0]) for row in rows],
        )
        rows.clear()

    position = 0
    for position, (stream, event) in enumerate(facts, start=1):
        version = versions[stream] = versions.get(stream, 0) + 1
        rows.append(
            (
                position,
                stream,
                version,
                uuid.UUID(int=position),
                type(event).__name__,
                SCHEMA_VERSIONS[type(event).__name__],
                encode(event).decode(),
                '{"actor":"bench"}',
                start + timedelta(milliseconds=position),
            )
        )
        if len(rows) == _PAGE:
            await flush()
    await flush()
    await connection.execute(
        "select setval(pg_get_serial_sequence('log.events','seq'), $1)", position
    )
    await connection.execute("analyze log.events, log.positions")
    await connection.close()
