"""Probes sources of which one track's decoder refuses its settings, as if they lacked that track.

ffprobe describes no stream of such a file. Each round hides another track. A file of some kilobytes
may have thousands of them, and each round is two runs, so there are few.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.probe import probe_indexed, unopened
from services.transcoder.encoding.source_reader import IndexedSource
from services.transcoder.encoding.track_trials import TrackTrials
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.worker.context import TaskContext, WorkerContext

MOST_HIDDEN: Final = 16
"""Tracks that are hidden of one file."""


async def probe_tables(
    worker: WorkerContext, context: TaskContext, known: IndexedSource
) -> ProbedSource:
    """The facts of a source with an index. Raises MediaRejected, TaskFailed."""
    program, folder, shown = worker.tools.ffprobe, context.folder, known
    tried = trials(worker, context)
    hiding = 0
    while True:
        outline = await worker.sources.open_outline(shown, folder)
        try:
            return await probe_indexed(program, known, outline, folder, trials=tried)
        except MediaRejected:
            number = await unopened(program, outline, folder)
            # Without its settings, a sound track is tried by itself.
            hidden = None if number is None else shown.without_settings(number)
            if hidden is None or hiding == MOST_HIDDEN:
                raise
            shown, hiding = hidden, hiding + 1


async def probe_whole(
    worker: WorkerContext,
    context: TaskContext,
    probe: Callable[[ffmpeg.Input], Awaitable[ProbedSource]],
) -> tuple[ffmpeg.Input, ProbedSource]:
    """A source without an index, as ffprobe can read it, and what ``probe`` finds of it.

    Raises MediaRejected, TaskFailed.
    """
    key = context.task.source_key
    source = await worker.sources.open_whole(key)
    while True:
        try:
            return source, await probe(source)
        except MediaRejected:
            number = await unopened(worker.tools.ffprobe, source, context.folder)
            hidden = None if number is None else await worker.sources.without(key, source, number)
            if hidden is None or len(source.hidden) == MOST_HIDDEN:
                raise
            source = hidden


def trials(worker: WorkerContext, context: TaskContext) -> TrackTrials:
    """What tries single tracks of a task's source."""
    key, tools = context.task.source_key, worker.tools
    return TrackTrials(
        tools.ffmpeg, tools.ffprobe, context.folder, lambda: worker.sources.open_whole(key)
    )
