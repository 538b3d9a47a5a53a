"""When a worker believes that a source is missing or damaged: after independent reads over time.

One wrong answer of the storage looks like a damaged file. A task that rejects its source is
therefore given back, and tried again on a verified copy. Only then is the file at fault.
"""

from typing import Final

import msgspec

from services.transcoder.encoding.verified_source import Acknowledged, VerifiedSource, read_again
from services.transcoder.object_keys import is_of_live
from services.transcoder.planning.media_errors import (
    CERTAIN,
    MediaRejected,
    TaskFailed,
    failed,
    is_repeatable,
    rejected,
)
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.scheduler.tasks import MAX_TRIES
from services.transcoder.worker.context import TaskContext, WorkerContext
from shared.contracts import VideoUploaded, stream_id

# Tries that must agree where the source's checksum is not known.
_TRIES: Final = 3


class SourceDoubted(TaskFailed):
    """A try rejects the source, which is not believed yet."""


async def careful(worker: WorkerContext, context: TaskContext) -> WorkerContext:
    """``worker``, reading a verified copy of the source where an earlier try has failed.

    Raises MediaRejected, TaskFailed.
    """
    if context.task.error is None:
        return worker
    if context.task.plan is None and is_of_live(context.task.video_id, context.task.source_key):
        # The source is made by the plan task itself, out of segments that it reads twice.
        return worker
    return await _verified(worker, context) or worker


async def check_size(worker: WorkerContext, task: ClaimedTask) -> None:
    """Raise TaskFailed where the storage has not as many bytes as were acknowledged.

    A source without its end might be played as far as it goes.
    """
    size = await worker.sources.size(task.source_key)
    if size != task.size:
        detail = f"{task.source_key} has {size} bytes, not {task.size}"
        raise failed("storage.damaged", detail)


async def certain_of_cut(worker: WorkerContext, context: TaskContext) -> WorkerContext:
    """``worker``, reading a verified copy of a source that seems to lack its end.

    Raises MediaRejected where the disk has no room for the copy, until several tries agree;
    TaskFailed where it is the storage that lacks the end.
    """
    if isinstance(worker.sources, VerifiedSource):
        return worker
    verified = await _verified(worker, context)
    if verified is None and not _agreed(context.task, "media.truncated"):
        raise rejected("media.truncated", "it seems to be cut short")
    return verified or worker


async def _verified(worker: WorkerContext, context: TaskContext) -> WorkerContext | None:
    acknowledged = await _acknowledged(worker, context)
    sources = await read_again(worker.sources, context.source_key, context.folder, acknowledged)
    return None if sources is None else msgspec.structs.replace(worker, sources=sources)


def judged(
    worker: WorkerContext, task: ClaimedTask, error: MediaRejected
) -> MediaRejected | TaskFailed:
    """``error`` where it is believed; else a failure of the task, which is tried again."""
    if error.code in CERTAIN:
        return error
    proven = isinstance(worker.sources, VerifiedSource) and worker.sources.proven
    if proven or _agreed(task, error.code):
        return error
    return SourceDoubted(error.code, error.reason, error.detail)


def is_last(task: ClaimedTask, error: TaskFailed) -> bool:
    """Whether a failed try of a task is its last.

    Every try after the first reads a verified copy of the source, where that is possible.
    """
    twice = task.error is not None and task.error.code == error.code
    return task.tries >= MAX_TRIES or (twice and is_repeatable(error.code))


def _agreed(task: ClaimedTask, code: str) -> bool:
    """Whether this is one of several tries that found the same."""
    return task.error is not None and task.error.code == code and task.tries >= _TRIES


async def _acknowledged(worker: WorkerContext, context: TaskContext) -> Acknowledged:
    """What the log says of the bytes that the task reads."""
    task = context.task
    if context.source_key != task.source_key:
        return Acknowledged(None, None)
    for recorded in await worker.store.read_stream(stream_id("upload", task.video_id)):
        if isinstance(recorded.data, VideoUploaded):
            return Acknowledged(recorded.data.size, recorded.data.sha256)
    return Acknowledged(task.size, None)
