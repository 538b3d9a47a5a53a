"""What every kind of task is given, and what it shares with the others."""

import hashlib
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.process import Limits
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.object_keys import IMMUTABLE, attempt_prefix
from services.transcoder.planning.extra_codecs import Codec
from services.transcoder.scheduler import ClaimedTask
from shared.blobs.store import BlobStore
from shared.contracts import EncodedTrack, Segment, TranscodePlanned
from shared.event_store.store import EventStore

# Even on a machine full of other work, a minute of video takes less than this many minutes.
_PATIENCE: Final = 60
_LEAST_SECONDS: Final = 120.0
_FILE_BYTES: Final = 4 << 30


class Tools(msgspec.Struct, frozen=True):
    """The programs and how they are run. ``memory_bytes`` is address space, for one run."""

    ffmpeg: str
    ffprobe: str
    preset: str
    threads: int
    memory_bytes: int
    extra_codecs: tuple[Codec, ...] = ()


class TaskProgress:
    """How much of a task is done, from 0 to 1, and its speed as a multiple of real time."""

    def __init__(self) -> None:
        self.fraction = 0.0
        self.speed: float | None = None


class WorkerContext(msgspec.Struct, frozen=True):
    """One worker's name, programs and stores; the same for all of its tasks."""

    name: str
    tools: Tools
    sources: SourceReader
    media: BlobStore
    store: EventStore


class TaskContext(msgspec.Struct, frozen=True):
    """A running task: its row, its working folder, its progress and its monotonic start time."""

    task: ClaimedTask
    folder: Path
    progress: TaskProgress
    started: float

    @property
    def elapsed_ms(self) -> int:
        return round(1000 * (time.monotonic() - self.started))

    @property
    def plan(self) -> TranscodePlanned:
        """The attempt's plan; only plan tasks come before it."""
        return msgspec.convert(self.task.plan, TranscodePlanned)

    @property
    def source_key(self) -> str:
        """What the attempt's tasks read: the source, or its remuxed copy."""
        if self.task.plan is None:
            return self.task.source_key
        return self.plan.remuxed_key or self.task.source_key

    @property
    def prefix(self) -> str:
        """Where this attempt's objects go."""
        return attempt_prefix(self.task.video_id, self.task.attempt)

    def setting(self, name: str, kind: type[Any]) -> Any:
        """One of the task's own settings."""
        return msgspec.convert(self.task.spec[name], kind)


def limits(source: ffmpeg.Input, tools: Tools, seconds: float, *, urgent: bool) -> Limits:
    """Limits in proportion to the ``seconds`` of media that a run works on."""
    patience = max(_LEAST_SECONDS, _PATIENCE * seconds)
    return Limits(
        seconds=patience,
        cpu_seconds=round(patience * tools.threads),
        memory_bytes=tools.memory_bytes,
        file_bytes=_FILE_BYTES,
        network=source.remote,
        nice=2 if urgent else 10,
    )


def digest(data: bytes) -> str:
    """The SHA-256 of an object, in hex."""
    return hashlib.sha256(data).hexdigest()


async def publish_init(
    media: BlobStore, folder: str, init: bytes, content_type: str
) -> tuple[str, str]:
    """Store an init segment under its content's name; returns key and hash."""
    mark = digest(init)
    key = f"{folder}/init-{mark[:12]}.mp4"
    await media.put(key, init, content_type, IMMUTABLE)
    return key, mark


async def publish_segments(
    media: BlobStore, folder: str, number: int, body: bytes, content_type: str
) -> str:
    """Store a run of segments as one object under its content's name; returns the key."""
    key = f"{folder}/{number:05d}-{digest(body)[:12]}.mp4"
    await media.put(key, body, content_type, IMMUTABLE)
    return key


def encoded_track(
    name: str,
    timescale: int,
    codecs: str,
    init: tuple[str, str, int],
    *,
    key: str | None,
    segments: tuple[Segment, ...],
) -> EncodedTrack:
    """The fact that a run of segments lies under ``key``; ``init``: key, hash and size."""
    init_key, init_sha256, init_size = init
    return EncodedTrack(
        name=name,
        timescale=timescale,
        codecs=codecs,
        init_key=init_key,
        init_sha256=init_sha256,
        init_size=init_size,
        key=key,
        segments=segments,
    )
