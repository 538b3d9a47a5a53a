"""What performers get, and what they share: limits, names of objects, encoded tracks."""

import hashlib
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.mp4.segment_object import GAP
from services.transcoder.object_keys import IMMUTABLE, attempt_prefix
from services.transcoder.planning.extra_codecs import Codec
from services.transcoder.scheduler.leases import ClaimedTask
from shared.blobs.store import BlobStore
from shared.contracts import EncodedTrack, Segment, StoredObject, TranscodePlanned
from shared.event_store.store import EventStore
from shared.programs.confinement import Limits

# Seconds per second of media that a run may take, for a machine that is full of other work.
_PATIENCE: Final = 60
_LEAST_SECONDS: Final = 120.0
# Bytes of one output file: twice the cap of the highest rendition, and at least so many.
_FILE_BYTES_PER_SECOND: Final = 2 << 20
_LEAST_FILE_BYTES: Final = 16 << 20
_MOST_FILE_BYTES: Final = 4 << 30
# The kinds of tasks that read the picture of a source of sound alone.
_OF_PICTURES: Final = frozenset(("video", "images"))


class Tools(msgspec.Struct, frozen=True):
    """The programs and their settings.

    ``memory_bytes``: of one run; ``shared_bytes``: of all runs together.
    """

    ffmpeg: str
    ffprobe: str
    preset: str
    threads: int
    memory_bytes: int
    shared_bytes: int | None = None
    extra_codecs: tuple[Codec, ...] = ()
    hdr_codecs: tuple[Codec, ...] = ()
    hdr_on_request: Codec | None = None


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
        """The attempt's plan. Plan tasks have none yet."""
        return msgspec.convert(self.task.plan, TranscodePlanned)

    @property
    def source_key(self) -> str:
        """The key that the task reads: the source, its remuxed copy, or its picture."""
        if self.task.plan is None:
            return self.task.source_key
        if self.plan.picture_key is not None and self.task.kind in _OF_PICTURES:
            return self.plan.picture_key
        return self.plan.remuxed_key or self.task.source_key

    @property
    def prefix(self) -> str:
        """The folder of this attempt's objects in the media bucket."""
        return attempt_prefix(self.task.video_id, self.task.attempt)

    def setting(self, name: str, kind: type[Any]) -> Any:
        """A value of the task's specification."""
        return msgspec.convert(self.task.spec[name], kind)


def limits(
    source: ffmpeg.Input,
    tools: Tools,
    seconds: float,
    *,
    urgent: bool,
    frames: int | None = None,
    file_bytes: int | None = None,
) -> Limits:
    """Limits in proportion to the ``seconds`` of media that a run processes.

    ``frames``: the most that it may make. ``file_bytes``: the most of one file, where that does not
    follow from the length.
    """
    patience = max(_LEAST_SECONDS, _PATIENCE * seconds)
    usual = _LEAST_FILE_BYTES + round(seconds * _FILE_BYTES_PER_SECOND)
    return Limits(
        seconds=patience,
        cpu_seconds=round(patience * tools.threads),
        memory_bytes=tools.memory_bytes,
        shared_bytes=tools.shared_bytes,
        file_bytes=min(_MOST_FILE_BYTES, usual if file_bytes is None else file_bytes),
        port=source.port,
        frames=frames,
        nice=2 if urgent else 10,
    )


def digest(data: bytes) -> str:
    """The SHA-256 of an object, in hex."""
    return hashlib.sha256(data).hexdigest()


async def publish_init(
    media: BlobStore, folder: str, init: bytes, content_type: str
) -> tuple[str, str]:
    """Store an init segment under a key with its hash; returns the key and the hash."""
    mark = digest(init)
    key = f"{folder}/init-{mark[:12]}.mp4"
    await media.put(key, init, content_type, IMMUTABLE)
    return key, mark


async def publish_segments(
    media: BlobStore, folder: str, number: int, body: bytes, content_type: str
) -> tuple[str, str]:
    """Store packed segments under a key with their hash; returns key and hash.

    The hash begins with the first segment, so that it stays right where objects are joined.
    """
    mark = digest(body[len(GAP) :])
    key = f"{folder}/{number:05d}-{mark[:12]}.mp4"
    await media.put(key, body, content_type, IMMUTABLE)
    return key, mark


async def publish_object(
    media: BlobStore, key: str, data: bytes, content_type: str
) -> StoredObject:
    """Store an object that an event names with its size and hash."""
    await media.put(key, data, content_type, IMMUTABLE)
    return StoredObject(key=key, size=len(data), sha256=digest(data))


def encoded_track(
    name: str,
    timescale: int,
    codecs: str,
    init: tuple[str, str, int],
    *,
    stored: tuple[str, str] | None,
    segments: tuple[Segment, ...],
) -> EncodedTrack:
    """Consecutive segments; ``stored``: key and hash of their object.

    ``init``: the init segment's key, hash and size.
    """
    init_key, init_sha256, init_size = init
    key, sha256 = stored or (None, None)
    return EncodedTrack(
        name=name,
        timescale=timescale,
        codecs=codecs,
        init_key=init_key,
        init_sha256=init_sha256,
        init_size=init_size,
        key=key,
        segments=segments,
        sha256=sha256,
    )
