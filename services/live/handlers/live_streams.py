"""What owners do with their live streams."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID, uuid5

import msgspec

from services.live.domain.stream import (
    ChangeClipping,
    ChangeStream,
    CreateStream,
    DeleteStream,
    DisableStream,
    EnableStream,
    LiveSettings,
    LiveStream,
    LiveStreamNotFound,
    RotateKey,
    SchedulePlan,
    checked,
)
from services.live.handlers.ending import end_session
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.owners import is_quiet
from services.live.handlers.planning import Planning, Wish
from services.live.keys import key_hash, new_key
from services.live.ports import Health, Viewers
from services.live.row_ports import KeyReused, SessionRow, SessionRows, StreamRow, StreamRows
from shared.contracts import ClipsBy, new_id
from shared.event_store.changes import TooManyChanges

_IDS: Final = UUID("5f1b1f5e-6f0d-5c5b-9d0e-3b0f0c8f7a11")
# Sessions that are listed, the newest ones.
_LISTED: Final = 100

Status = Literal["idle", "active", "disconnected", "disabled"]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A live stream as its owner sees it. ``video_id``: of the running session. ``planned_id``: of
    the page of the next live, which begins at ``scheduled_at``."""

    id: str
    settings: LiveSettings
    clips_by: ClipsBy
    status: Status
    video_id: str | None
    created_at: datetime
    scheduled_at: datetime | None = None
    planned_id: str | None = None


class StreamHealth(msgspec.Struct, frozen=True):
    """What the running session's owner last measured, and how many watch it; where none runs, why
    the last one has ended."""

    status: Status
    measured: Health
    viewers: int | None = None
    end_reason: str | None = None


class LiveStreams:
    """The commands and reads of the API. All raise LiveStreamNotFound for another's stream."""

    def __init__(
        self,
        streams: StreamRows,
        sessions: SessionRows,
        events: LiveEvents,
        viewers: Viewers,
        planning: Planning,
        *,
        most: int,
    ) -> None:
        self._streams = streams
        self._sessions = sessions
        self._events = events
        self._viewers = viewers
        self._planning = planning
        self._most = most

    async def create(
        self,
        user_id: str,
        settings: LiveSettings,
        idempotency_key: str | None,
        wish: Wish | None = None,
    ) -> tuple[Shown, str]:
        """A new live stream, and its key. ``wish``: when its first live begins.

        With the same ``idempotency_key`` it is the one that the first request made. Its key is
        another one then, because the first one is not stored. Raises InvalidInput,
        TooManyStreams, TooManyPlans, KeyReused.
        """
        cleaned = checked(settings)
        live_id = new_id() if idempotency_key is None else _id_for(user_id, idempotency_key)
        schedule = None if wish is None else await self._plan(user_id, live_id, cleaned, wish)
        key = new_key()
        wanted = StreamRow(
            id=live_id,
            user_id=user_id,
            key_hash=key_hash(key),
            created_at=datetime.now(UTC),
            fingerprint=_fingerprint(cleaned, wish),
        )
        row = await self._streams.add(wanted, self._most)
        if row.fingerprint != wanted.fingerprint:
            raise KeyReused("This idempotency key was used for a different live stream.")
        create = CreateStream(row.id, user_id, cleaned, schedule)
        try:
            stream = await self._events.decide_stream(row.id, create, user_id)
        except TooManyChanges:
            await self._streams.remove(row.id)
            raise
        if schedule is not None:
            await self._planning.settle(stream, schedule)
        if stream.deleted:
            raise LiveStreamNotFound
        if row.key_hash != wanted.key_hash:
            return await self.rotate(user_id, row.id)
        return await self._shown(row, stream), key

    async def _plan(
        self, user_id: str, live_id: str, settings: LiveSettings, wish: Wish
    ) -> SchedulePlan | None:
        """The plan of a new stream; None where the log has the stream already. An earlier request
        may have left its row alone."""
        if (await self._events.stream(live_id)).owner is not None:
            return None
        self._planning.check(wish)
        return await self._planning.reserve(user_id, live_id, settings, wish)

    async def all(self, user_id: str) -> list[Shown]:
        """A user's live streams, the oldest first."""
        rows = await self._streams.of_user(user_id)
        if not rows:
            return []
        found = await self._events.streams([row.id for row in rows])
        running = await self._sessions.running([row.id for row in rows])
        return [
            _shown(row, found[row.id], running.get(row.id))
            for row in rows
            if found[row.id].owner is not None and not found[row.id].deleted
        ]

    async def get(self, user_id: str, live_id: str) -> Shown:
        row, stream = await self._own(user_id, live_id)
        return await self._shown(row, stream)

    async def change(
        self,
        user_id: str,
        live_id: str,
        changes: dict[str, object],
        wish: Wish | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Shown:
        """``wish``: when the next live begins; None where that is not known any more."""
        row, stream = await self._own(user_id, live_id)
        if isinstance(wish, Wish) and not _is_planned(stream, wish):
            self._planning.check(wish)
        settings = {name: value for name, value in changes.items() if name != "clips_by"}
        await self._planning.changing(live_id)
        stream = await self._events.decide_stream(live_id, ChangeStream(user_id, settings), user_id)
        await self._planning.follow(stream)
        if wish is not msgspec.UNSET:
            stream = await self._planning.schedule(user_id, stream, wish)
        if "clips_by" in changes:
            clips_by = msgspec.convert(changes["clips_by"], ClipsBy)
            change = ChangeClipping(user_id, clips_by)
            stream = await self._events.decide_stream(live_id, change, user_id)
        return await self._shown(row, stream)

    async def rotate(self, user_id: str, live_id: str) -> tuple[Shown, str]:
        """A new key. The old one is refused from now on, and its publisher is closed."""
        row, _ = await self._own(user_id, live_id)
        key = new_key()
        stream = await self._events.decide_stream(live_id, RotateKey(user_id), user_id)
        await self._streams.replace_key(live_id, key_hash(key), "The stream key was replaced.")
        return await self._shown(row, stream), key

    async def enable(self, user_id: str, live_id: str) -> Shown:
        row, _ = await self._own(user_id, live_id)
        stream = await self._events.decide_stream(live_id, EnableStream(user_id), user_id)
        return await self._shown(row, stream)

    async def disable(self, user_id: str, live_id: str) -> Shown:
        """No publisher may connect any more; a running session ends."""
        row, _ = await self._own(user_id, live_id)
        stream = await self._events.decide_stream(live_id, DisableStream(user_id), user_id)
        await self._end(stream, user_id, "The live stream was disabled.")
        return await self._shown(row, await self._events.stream(live_id))

    async def complete(self, user_id: str, live_id: str) -> Shown:
        """End the running session, if there is one, without waiting for its publisher."""
        row, stream = await self._own(user_id, live_id)
        await self._end(stream, user_id, "The live stream was ended.")
        return await self._shown(row, await self._events.stream(live_id))

    async def delete(self, user_id: str, live_id: str) -> None:
        """The videos of its sessions stay."""
        await self._own(user_id, live_id)
        stream = await self._events.decide_stream(live_id, DeleteStream(user_id), user_id)
        await self._end(stream, user_id, "The live stream was deleted.")
        await self._streams.remove(live_id)

    async def health(self, user_id: str, live_id: str) -> StreamHealth:
        _, stream = await self._own(user_id, live_id)
        row = (await self._sessions.running([live_id])).get(live_id)
        status = _status(stream, row)
        if row is None:
            last = await self._sessions.of_stream(live_id, 1)
            return StreamHealth(status, Health(), end_reason=last[0].end_reason if last else None)
        viewers = (await self._viewers.now([row.video_id])).get(row.video_id)
        known = row.health is not None and status == "active"
        measured = msgspec.json.decode(row.health or "", type=Health) if known else Health()
        return StreamHealth(status, measured, viewers=viewers)

    async def sessions(self, user_id: str, live_id: str) -> Sequence[SessionRow]:
        """Its newest sessions, the newest first."""
        await self._own(user_id, live_id)
        return await self._sessions.of_stream(live_id, _LISTED)

    async def _own(self, user_id: str, live_id: str) -> tuple[StreamRow, LiveStream]:
        row = await self._streams.get(live_id)
        if row is None or row.user_id != user_id:
            raise LiveStreamNotFound
        stream = await self._events.stream(live_id)
        if stream.owner is None or stream.deleted:
            raise LiveStreamNotFound
        return row, stream

    async def _end(self, stream: LiveStream, user_id: str, reason: str) -> None:
        if stream.video_id is not None:
            await end_session(self._events, self._sessions, stream.video_id, user_id, reason)

    async def _shown(self, row: StreamRow, stream: LiveStream) -> Shown:
        running = await self._sessions.running([row.id])
        return _shown(row, stream, running.get(row.id))


def _id_for(user_id: str, idempotency_key: str) -> str:
    return str(uuid5(_IDS, f"{user_id} {idempotency_key}"))


def _fingerprint(settings: LiveSettings, wish: Wish | None) -> str:
    said = settings if wish is None else (settings, wish.scheduled_at)
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _is_planned(stream: LiveStream, wish: Wish) -> bool:
    """Whether that is its time already, which may have passed."""
    plan = stream.plan
    return plan is not None and plan.state == "planned" and plan.scheduled_at == wish.scheduled_at


def _shown(row: StreamRow, stream: LiveStream, running: SessionRow | None) -> Shown:
    plan = stream.plan if stream.plan is not None and stream.plan.state == "planned" else None
    return Shown(
        scheduled_at=None if plan is None else plan.scheduled_at,
        planned_id=None if plan is None else plan.id,
        id=row.id,
        settings=stream.settings,
        clips_by=stream.clips_by,
        status=_status(stream, running),
        video_id=None if running is None else running.video_id,
        created_at=row.created_at,
    )


def _status(stream: LiveStream, running: SessionRow | None) -> Status:
    """By the rows: a publisher counts for as long as its owner reports."""
    if stream.disabled:
        return "disabled"
    if running is None:
        return "idle"
    return "active" if running.held and not is_quiet(running) else "disconnected"
