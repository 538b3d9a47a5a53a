"""Looks whether other recordings follow the one that ffmpeg plays of a source."""

import msgspec

from services.transcoder.planning.ending import ending
from services.transcoder.planning.following import (
    HEAD_BYTES,
    MAY_FOLLOW,
    PAGES_BYTES,
    REST_BYTES,
    another_follows,
    own_end,
    where_follows,
    with_rest,
)
from services.transcoder.planning.probe_report import Extent, ProbedSource
from services.transcoder.worker.context import WorkerContext


async def tell_rest(
    worker: WorkerContext, key: str, found: ProbedSource, read: Extent | None = None
) -> ProbedSource:
    """The facts of a source, with a note where it goes on after all that ffmpeg plays.

    ``read``: what all its packets say, of which not all may have been decoded. Raises
    MediaRejected, TaskFailed.
    """
    goes_on = await _goes_on(worker, key, found, read)
    facts = with_rest(found.facts) if goes_on else found.facts
    return msgspec.structs.replace(found, facts=facts)


async def _goes_on(
    worker: WorkerContext, key: str, found: ProbedSource, read: Extent | None
) -> bool:
    container = found.facts.container
    if await worker.sources.indexed(key) is not None:
        return await worker.sources.second_follows(key)
    if container == "ogg":
        end = min(found.facts.size, found.place + PAGES_BYTES)
        return another_follows(await worker.sources.read(key, found.place, end))
    if container == "mov" and read is not None and read.recordings.joins:
        # ffmpeg reads further fragments, and does not show any whose times begin again.
        return True
    if container in MAY_FOLLOW:
        return await where_next(worker, key, found) is not None
    return read is not None and ending(read.length, 0.0, found.duration or 0.0).early


async def where_next(worker: WorkerContext, key: str, found: ProbedSource) -> int | None:
    """Where a file begins behind the one that ffmpeg plays. Raises MediaRejected, TaskFailed."""
    container, size = found.facts.container, found.facts.size
    head = await worker.sources.read(key, 0, min(size, HEAD_BYTES))
    place = min(size - 1, own_end(container, found.place, head))
    rest = await worker.sources.read(key, place, min(size, place + REST_BYTES))
    return where_follows(container, rest, place)
