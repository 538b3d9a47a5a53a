"""Commands: load, decide, append. Background tasks: append counted views to the log, delete
the videos of deleted accounts, publish drafts."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID, uuid5

from services.catalog import domain
from services.catalog.domain import (
    CloseAccount,
    Command,
    CountViews,
    PublishDraft,
    Video,
    VideoNotFound,
)
from services.catalog.rows import ViewBatch
from shared.contracts import LiveClipMade, LiveConnected, VideoUploaded, stream_id
from shared.event_store.decider import Decider, Outcome, execute
from shared.event_store.store import Metadata, NewEvent, Streams, WrongExpectedVersion

_CLOSE_EVENT_IDS: Final = UUID("0b1d8a52-51d5-5b0e-a5f0-6c3d4a5be2d1")
_ATTEMPTS: Final = 5


class Batches(Protocol):
    """Stores counted views until their event is in the log."""

    async def take(self, age: float, without: Sequence[str]) -> Sequence[ViewBatch]:
        """Make batches of views at least ``age`` seconds old; return uncounted batches.

        ``without``: ids of batches to leave out.
        """
        ...

    async def drop(self, batch_id: str) -> None:
        """Delete a batch whose video is deleted."""
        ...


async def handle(
    store: Streams, video_id: str, command: Command, metadata: Metadata
) -> Outcome[Video]:
    """Run a command on a video. Raises what ``domain.decide`` raises."""
    return await execute(
        store, stream_id("video", video_id), await _decider(store, video_id), command, metadata
    )


async def write_batch(store: Streams, batches: Batches, batch: ViewBatch) -> None:
    """Append the event of a batch of views.

    The batch's id is the event's id, so a batch that was appended before a crash is not counted
    again.
    """
    command = CountViews(batch.count, batch.batch_id)
    try:
        await _append_once(store, batch.video_id, command, UUID(batch.batch_id))
    except VideoNotFound:
        await batches.drop(batch.batch_id)


async def delete_orphan(store: Streams, video_id: str) -> None:
    """Delete a video of a deleted account. Idempotent."""
    await _append_once(store, video_id, CloseAccount(), uuid5(_CLOSE_EVENT_IDS, video_id))


async def publish_draft(store: Streams, video_id: str, now: datetime) -> None:
    """Make a draft public if its time has come. Idempotent."""
    with suppress(VideoNotFound):
        await handle(store, video_id, PublishDraft(now), Metadata())


async def _append_once(store: Streams, video_id: str, command: Command, event_id: UUID) -> None:
    """Like ``execute``, but idempotent: the command causes at most one event, ``event_id``."""
    stream = stream_id("video", video_id)
    decider = await _decider(store, video_id)
    for attempt in range(_ATTEMPTS):
        history = await store.read_stream(stream)
        if any(recorded.event_id == event_id for recorded in history):
            return
        video = decider.initial()
        for recorded in history:
            video = decider.evolve(video, recorded.data)
        events = [NewEvent(event, event_id) for event in decider.decide(video, command)]
        try:
            await store.append(stream, len(history), events, Metadata())
        except WrongExpectedVersion:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        return


async def _decider(store: Streams, video_id: str) -> Decider[Video, Command]:
    """The decider of one video; its initial state comes from its upload, or its live session."""
    video = domain.initial()
    for recorded in await store.read_stream(stream_id("upload", video_id)):
        if isinstance(recorded.data, VideoUploaded):
            video = domain.evolve(video, recorded.data)
    if video.owner is None:
        for recorded in await store.read_stream(stream_id("livesession", video_id)):
            if isinstance(recorded.data, LiveConnected | LiveClipMade):
                video = domain.evolve(video, recorded.data)
    return Decider(initial=lambda: video, decide=domain.decide, evolve=domain.evolve)
