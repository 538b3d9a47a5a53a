"""Commands: load, decide, append. Background tasks: append counted views to the log, delete
the videos of deleted accounts, publish drafts, empty the bin."""

from collections import OrderedDict
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
    EmptyBin,
    PublishDraft,
    TakeCaptions,
    Video,
    VideoNotFound,
)
from services.catalog.rows import ViewBatch
from shared.contracts import (
    SHOWN_TO_OTHERS,
    CaptionTrack,
    LiveClipMade,
    LiveConnected,
    LiveEnded,
    VideoUploaded,
    stream_id,
)
from shared.event_store.decider import Decider, Outcome, execute
from shared.event_store.store import Metadata, NewEvent, Streams, WrongExpectedVersion

_CLOSE_EVENT_IDS: Final = UUID("0b1d8a52-51d5-5b0e-a5f0-6c3d4a5be2d1")
_ATTEMPTS: Final = 5
_REMEMBERED: Final = 10_000


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


class ViewWriter:
    """Appends the events of batches of views.

    A video that is watched for years has a batch every few seconds: what is known of it is
    remembered, so that its history is read once and then only what is new.
    """

    def __init__(self, store: Streams, batches: Batches) -> None:
        self._store = store
        self._batches = batches
        self._known: OrderedDict[str, tuple[Video, int]] = OrderedDict()

    async def write(self, batch: ViewBatch) -> None:
        """Append the event of a batch.

        The batch's id is the event's id, so a batch that was appended before a crash is not counted
        again.
        """
        for attempt in range(_ATTEMPTS):
            try:
                await self._append(batch)
            except VideoNotFound:
                await self._batches.drop(batch.batch_id)
            except WrongExpectedVersion:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return

    async def _append(self, batch: ViewBatch) -> None:
        video, version = await self._read(batch.video_id)
        decided = domain.decide(video, CountViews(batch.count, batch.batch_id))
        events = [NewEvent(event, UUID(batch.batch_id)) for event in decided]
        stream = stream_id("video", batch.video_id)
        last = await self._store.append(stream, version, events, Metadata())
        # It is that of the first append where the batch was counted before.
        if last == version + len(events):
            self._known[batch.video_id] = (video, last)

    async def _read(self, video_id: str) -> tuple[Video, int]:
        known = self._known.get(video_id)
        if known is None:
            video, version = (await _decider(self._store, video_id)).initial(), 0
        else:
            video, version = known
        for recorded in await self._store.read_stream(stream_id("video", video_id), version):
            video, version = domain.evolve(video, recorded.data), recorded.version
        self._known[video_id] = (video, version)
        self._known.move_to_end(video_id)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return video, version


async def was_shown(store: Streams, video_id: str) -> bool:
    """Whether a video was public or unlisted to the end, by its history."""
    video = (await _decider(store, video_id)).initial()
    for recorded in await store.read_stream(stream_id("video", video_id)):
        video = domain.evolve(video, recorded.data)
    return video.visibility in SHOWN_TO_OTHERS


async def delete_orphan(store: Streams, video_id: str) -> None:
    """Delete a video of a deleted account. Idempotent."""
    await _append_once(store, video_id, CloseAccount(), uuid5(_CLOSE_EVENT_IDS, video_id))


async def publish_draft(store: Streams, video_id: str, now: datetime) -> None:
    """Make a draft public if its time has come. Idempotent."""
    with suppress(VideoNotFound):
        await handle(store, video_id, PublishDraft(now), Metadata())


async def take_captions(store: Streams, video_id: str, tracks: tuple[CaptionTrack, ...]) -> None:
    """Make text tracks of the source captions of the video. Idempotent."""
    with suppress(VideoNotFound):
        await handle(store, video_id, TakeCaptions(tracks), Metadata())


async def empty_bin(store: Streams, video_id: str, now: datetime) -> None:
    """Delete a video for good whose time in the bin is over. Idempotent."""
    with suppress(VideoNotFound):
        await handle(store, video_id, EmptyBin(now), Metadata())


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
            if isinstance(recorded.data, LiveConnected | LiveClipMade | LiveEnded):
                video = domain.evolve(video, recorded.data)
    return Decider(initial=lambda: video, decide=domain.decide, evolve=domain.evolve)
