"""The process manager: turns events into jobs and tasks.

Rebuilt from the log, the tables have the same jobs and the same unfinished tasks.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.transcoder.domain.state import CAPTIONS, audio_name
from services.transcoder.object_keys import is_of_live
from services.transcoder.planning.plan import video_task_name, video_tasks
from services.transcoder.planning.recording import CONTAINER
from services.transcoder.tables import jobs, tasks
from shared.contracts import (
    AudioEncoded,
    CaptionsExtracted,
    ChunkEncoded,
    DownloadsMade,
    Event,
    LiveRecorded,
    MediaCompacted,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    ThumbnailsCreated,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    VideoDeleted,
    VideoPlayable,
    VideoUploaded,
    ViewsCounted,
)
from shared.event_store.projections.refold import Refolding
from shared.event_store.projections.replay import ReplayedTable
from shared.event_store.projections.replayed_refold import ReplayedRefolding
from shared.event_store.store import Metadata, SequencedEvent

FOLD: Final = 2
"""The version of the fold: one more whenever the same events lead to other rows."""

SCHEMA: Final = "transcoder"

# Estimated CPU seconds.
_PLAN_COST = 0.5
# Of decoding a whole source and encoding it without visible loss, for each of its megabytes.
_PLAIN_COST_PER_MEGABYTE = 5.0
_MEGABYTE = 1_000_000
# Plain plans take long: they are in the queue of tasks that do. Nobody waits for those of recorded
# lives, which play already.
_LATER_PRIORITY = 2
_IMAGES_COST = 2.0
_AUDIO_COST_PER_SECOND = 0.04
_TEXTS_COST_PER_MEGABYTE = 0.002

# Workers notice within two seconds that an attempt has ended; its folder is swept after that.
_SWEEP_AFTER = text("interval '5 seconds'")


REPLAYED_TABLES: Final = (
    ReplayedTable(
        table=jobs,
        key="video_id",
        entity="video_id",
        compared=("user_id", "source_key", "size", "attempt", "state", "playable", "plan"),
    ),
    ReplayedTable(
        table=tasks,
        key="task_id",
        entity="video_id",
        compared=("video_id", "user_id", "attempt", "kind", "spec", "priority", "state = 'done'"),
        # A message of a dispatch before the rebuild stays stale, and tries stay counted.
        kept=("dispatch", "tries", "not_before", "error"),
        generated=("place",),
    ),
)
"""What a rebuild replaces. Claims are not in the log: a running task waits again, and its worker
finds that its lease is lost."""


class JobProjection:
    """The projection into jobs and tasks. ``name`` also names its checkpoint and its queue."""

    name = "planner"
    fold = FOLD
    ignored = (TranscodeProgressed.__name__, ViewsCounted.__name__)

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        for recorded in events:
            await _apply(connection, recorded, recorded.data)

    def refolding(self, connection: AsyncConnection, entities: Sequence[str]) -> Refolding:
        """Jobs and tasks of these videos, made anew from all of their events."""
        return ReplayedRefolding(connection, self, SCHEMA, REPLAYED_TABLES, entities)

    async def dependents(
        self, _connection: AsyncConnection, _events: Sequence[SequencedEvent]
    ) -> Sequence[str]:
        """Events of a video change no rows of others."""
        return ()

    async def complete(self, _connection: AsyncConnection) -> None:
        """Every row belongs to a video."""


async def _apply(  # noqa: PLR0912 - one case per event
    connection: AsyncConnection, recorded: SequencedEvent, event: Event
) -> None:
    match event:
        case VideoUploaded():
            await _uploaded(connection, recorded, event)
        case LiveRecorded():
            await _recorded(connection, recorded, event)
        case TranscodePlanned():
            await _planned(connection, event)
        case ChunkEncoded():
            name = video_task_name(event.chunk, event.tracks[-1].name)
            await _done(connection, event.video_id, event.attempt, name)
        case AudioEncoded():
            for track in event.tracks if event.complete else ():
                await _done(connection, event.video_id, event.attempt, track.name)
            await _changed(connection, event.video_id)
        case ThumbnailsCreated():
            await _done(connection, event.video_id, event.attempt, "images")
        case CaptionsExtracted():
            await _done(connection, event.video_id, event.attempt, CAPTIONS)
        case VideoPlayable():
            await _set(connection, event.video_id, playable=True)
        case MediaRepairFailed():
            await _over(connection, event.video_id, "completed")
        case TranscodeCompleted() | MediaRestored():
            await _over(connection, event.video_id, "completed")
            await _set(connection, event.video_id, playable=True, compact_at=func.now())
        case MediaCompacted():
            due = func.now() + timedelta(seconds=event.keep_seconds)
            await _set(connection, event.video_id, drop_at=due)
        case DownloadsMade():
            await _set(connection, event.video_id, compact_at=None)
        case TranscodeFailed():
            await _over(connection, event.video_id, "failed")
        case TranscodeCancelled():
            await _over(connection, event.video_id, "cancelled")
        case VideoDeleted():
            await _deleted(connection, event.video_id)
        case TranscodeRetried():
            await _retried(connection, event)
        case MediaLost():
            await _lost(connection, event)
        case _:
            return


async def _uploaded(
    connection: AsyncConnection, recorded: SequencedEvent, event: VideoUploaded
) -> None:
    await _begin(
        connection,
        recorded.metadata,
        event.video_id,
        event.user_id,
        source_key=event.source_key,
        size=event.size,
    )


async def _recorded(
    connection: AsyncConnection, recorded: SequencedEvent, event: LiveRecorded
) -> None:
    """The recording plays already. Its user is the actor of the session's events."""
    metadata = recorded.metadata
    user_id = metadata.actor or ""
    await _begin(
        connection,
        metadata,
        event.video_id,
        user_id,
        source_key=event.playlist_key,
        size=event.size,
    )


async def _begin(
    connection: AsyncConnection,
    metadata: Metadata,
    video_id: str,
    user_id: str,
    *,
    source_key: str,
    size: int,
) -> None:
    """Add the job, unless it is known or its video deleted, and its first task."""
    added = await connection.execute(
        insert(jobs)
        .values(
            video_id=video_id,
            user_id=user_id,
            source_key=source_key,
            size=size,
            attempt=1,
            state="pending",
            playable=False,
            correlation_id=metadata.correlation_id,
            traceparent=metadata.traceparent,
        )
        .on_conflict_do_nothing()
        .returning(jobs.c.video_id)
    )
    if added.first() is not None:
        later = is_of_live(video_id, source_key)
        await _add(connection, [_plan_task(video_id, user_id, 1, later=later)])


async def _planned(connection: AsyncConnection, event: TranscodePlanned) -> None:
    """Add the plan's tasks, unless the video was deleted while it was planned."""
    await _done(connection, event.video_id, event.attempt, "plan")
    updated = await connection.execute(
        update(jobs)
        .where(
            jobs.c.video_id == event.video_id,
            jobs.c.attempt == event.attempt,
            jobs.c.state.in_(("pending", "running")),
        )
        .values(state="running", plan=msgspec.to_builtins(event))
        .returning(jobs.c.video_id)
    )
    if updated.first() is not None:
        await _add(connection, planned_tasks(event))


def planned_tasks(event: TranscodePlanned) -> list[dict[str, Any]]:
    """The rows of all tasks of a plan."""
    rows = [
        {
            "kind": task.kind,
            "name": task.name,
            "priority": task.priority,
            "cost": task.cost,
            "spec": {"chunk": task.chunk, "renditions": list(task.renditions)},
        }
        for task in video_tasks(event)
    ]
    rows += [
        {
            "kind": "audio",
            "name": audio_name(track.index),
            "priority": 0,
            "cost": max(0.1, event.source.duration_ms / 1000 * _AUDIO_COST_PER_SECOND),
            "spec": {"track": track.index},
        }
        for track in event.audio
    ]
    rows.append(
        {"kind": "images", "name": "images", "priority": 1, "cost": _IMAGES_COST, "spec": {}}
    )
    if event.source.texts:
        cost = max(1.0, _TEXTS_COST_PER_MEGABYTE * event.source.size / _MEGABYTE)
        rows.append({"kind": "captions", "name": CAPTIONS, "priority": 1, "cost": cost, "spec": {}})
    if event.source.container == CONTAINER:
        for row in rows:
            row["priority"] = max(row["priority"], _LATER_PRIORITY)
    return [_row(event.video_id, event.user_id, event.attempt, row) for row in rows]


def open_tasks(
    planned: TranscodePlanned | None,
    video_id: str,
    user_id: str,
    attempt: int,
    names: list[str],
    *,
    plain_size: int | None = None,
    source_key: str = "",
) -> list[dict[str, Any]]:
    """The rows of the tasks ``names`` of an attempt, which may have no plan yet.

    ``plain_size``: the source's size in bytes where the attempt decodes it as a whole.
    """
    if planned:
        rows = planned_tasks(planned)
    else:
        later = is_of_live(video_id, source_key)
        rows = [_plan_task(video_id, user_id, attempt, plain_size, later=later)]
    prefix = f"{video_id}/{attempt}/"
    return [row for row in rows if row["task_id"].removeprefix(prefix) in names]


def _plan_task(
    video_id: str, user_id: str, attempt: int, plain_size: int | None = None, *, later: bool = False
) -> dict[str, Any]:
    row = {"kind": "plan", "name": "plan", "priority": 0, "cost": _PLAN_COST, "spec": {}}
    if plain_size is not None:
        cost = _PLAN_COST + _PLAIN_COST_PER_MEGABYTE * plain_size / _MEGABYTE
        row |= {"priority": _LATER_PRIORITY, "cost": cost}
    if later:
        row["priority"] = _LATER_PRIORITY
    return _row(video_id, user_id, attempt, row)


def _row(video_id: str, user_id: str, attempt: int, task: dict[str, Any]) -> dict[str, Any]:
    name = task.pop("name")
    return {
        "task_id": f"{video_id}/{attempt}/{name}",
        "video_id": video_id,
        "user_id": user_id,
        "attempt": attempt,
        "state": "waiting",
        **task,
    }


async def _add(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    await connection.execute(insert(tasks).on_conflict_do_nothing(), rows)


async def _done(connection: AsyncConnection, video_id: str, attempt: int, name: str) -> None:
    await connection.execute(
        update(tasks)
        .where(tasks.c.task_id == f"{video_id}/{attempt}/{name}")
        .values(state="done", progress=1.0)
    )
    await _changed(connection, video_id)


async def _over(connection: AsyncConnection, video_id: str, state: str) -> None:
    """Delete all tasks of the attempt; a worker that holds one loses its lease and stops."""
    await connection.execute(delete(tasks).where(tasks.c.video_id == video_id))
    await _set(connection, video_id, state=state, clean_at=func.now() + _SWEEP_AFTER)


async def _deleted(connection: AsyncConnection, video_id: str) -> None:
    """Delete a job. One that is not known yet is kept as deleted, so that it never begins."""
    await connection.execute(
        insert(jobs)
        .values(
            video_id=video_id,
            user_id="",
            source_key="",
            size=0,
            attempt=1,
            state="deleted",
            playable=False,
        )
        .on_conflict_do_nothing()
    )
    await _over(connection, video_id, "deleted")


async def _retried(connection: AsyncConnection, event: TranscodeRetried) -> None:
    updated = await connection.execute(
        update(jobs)
        .where(jobs.c.video_id == event.video_id, jobs.c.state != "deleted")
        # The left-overs of the last attempt are swept when this one has ended.
        .values(attempt=event.attempt, state="pending", playable=False, plan=None, clean_at=None)
        .returning(jobs.c.user_id, jobs.c.size, jobs.c.source_key)
    )
    # An attempt that follows by itself replaces one that has not ended.
    await connection.execute(
        delete(tasks).where(tasks.c.video_id == event.video_id, tasks.c.attempt < event.attempt)
    )
    row = updated.one_or_none()
    if row is not None:
        size = row.size if event.plain else None
        later = is_of_live(event.video_id, row.source_key)
        plan = _plan_task(event.video_id, row.user_id, event.attempt, size, later=later)
        await _add(connection, [plan])


async def _lost(connection: AsyncConnection, event: MediaLost) -> None:
    """Make some tasks of the plan wait again; the playlists are published in any case."""
    updated = await connection.execute(
        update(jobs)
        .where(
            jobs.c.video_id == event.video_id,
            jobs.c.attempt == event.attempt,
            jobs.c.state == "completed",
        )
        .values(state="running", clean_at=None, changes=jobs.c.changes + 1)
        .returning(jobs.c.plan)
    )
    plan = updated.scalar_one_or_none()
    if plan is None:
        return
    planned = msgspec.convert(plan, TranscodePlanned)
    rows = open_tasks(
        planned, planned.video_id, planned.user_id, planned.attempt, list(event.tasks)
    )
    if rows:
        await _add(connection, rows)


async def _changed(connection: AsyncConnection, video_id: str) -> None:
    await _set(connection, video_id, changes=jobs.c.changes + 1)


async def _set(connection: AsyncConnection, video_id: str, **values: Any) -> None:
    """Change a job unless it is deleted: workers may still report results of a deleted video."""
    await connection.execute(
        update(jobs).where(jobs.c.video_id == video_id, jobs.c.state != "deleted").values(**values)
    )
