"""When a worker believes that a source is missing or damaged: after independent reads over time.

One wrong answer of the storage looks like a damaged file. A task that rejects its source is
therefore given back, and tried again on a verified copy. Only then is the file at fault.
"""

from typing import Final

import msgspec

from services.transcoder.encoding.verified_source import Acknowledged, VerifiedSource, read_again
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed
from services.transcoder.scheduler import ClaimedTask
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
    acknowledged = await _acknowledged(worker, context)
    sources = await read_again(worker.sources, context.source_key, context.folder, acknowledged)
    return worker if sources is None else msgspec.structs.replace(worker, sources=sources)


def judged(
    worker: WorkerContext, task: ClaimedTask, error: MediaRejected
) -> MediaRejected | TaskFailed:
    """``error`` where it is believed; else a failure of the task, which is tried again."""
    proven = isinstance(worker.sources, VerifiedSource) and worker.sources.proven
    agreed = task.error is not None and task.error.code == error.code and task.tries >= _TRIES
    if proven or agreed:
        return error
    return SourceDoubted(error.code, error.reason, error.detail)


async def _acknowledged(worker: WorkerContext, context: TaskContext) -> Acknowledged:
    """What the log says of the bytes that the task reads."""
    task = context.task
    if context.source_key != task.source_key:
        return Acknowledged(None, None)
    for recorded in await worker.store.read_stream(stream_id("upload", task.video_id)):
        if isinstance(recorded.data, VideoUploaded):
            return Acknowledged(recorded.data.size, recorded.data.sha256)
    return Acknowledged(task.size, None)
