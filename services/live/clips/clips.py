"""What people do with clips, and the leader's round that makes them."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec

from services.live.clips.making import ClipMaker, NotMade
from services.live.clips.repository import ClipRow, ClipsRepository
from services.live.clips.rules import (
    ClipNotFound,
    ClipsNotAllowed,
    NoRoomForClip,
    NothingToClip,
    bounded,
    checked_seconds,
    is_due,
    may_clip,
)
from services.live.domain.stream import LiveStreamNotFound, clean_title
from services.live.handlers.live_events import LiveEvents
from services.live.ports import Accounts
from services.live.row_ports import KeyReused, SessionRow, SessionRows
from shared.contracts import Visibility, new_id
from shared.loops.items import ItemMetrics, Items
from shared.telemetry import get_logger

_log = get_logger(__name__)

_IDS: Final = UUID("b1a7d0c2-3c1c-5d0e-9a0b-6a64d1a0c11b")
_LISTED: Final = 100
_BATCH: Final = 50


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """``source_id``: the video of a session; None for the running one. ``ends_at``: the time of
    day of the last picture; None for now, or the end."""

    seconds: int
    source_id: str | None = None
    ends_at: datetime | None = None
    title: str | None = None
    visibility: Visibility | None = None


class Clips:
    """Call ``round`` each second."""

    def __init__(
        self,
        rows: ClipsRepository,
        sessions: SessionRows,
        events: LiveEvents,
        maker: ClipMaker,
        accounts: Accounts,
        *,
        items: ItemMetrics,
        advanced: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rows = rows
        self._sessions = sessions
        self._events = events
        self._maker = maker
        self._accounts = accounts
        self._items = Items("make clips", items)
        self._advanced = advanced
        self._clock = clock

    async def ask(
        self, caller: str, live_id: str | None, wanted: Wanted, idempotency_key: str | None
    ) -> ClipRow:
        """Have a clip made; its video is there within some seconds.

        Raises LiveStreamNotFound, NothingToClip, ClipsNotAllowed, TooManyClips, NoRoomForClip,
        KeyReused, InvalidInput.
        """
        checked_seconds(wanted.seconds)
        said = hashlib.sha256(msgspec.json.encode((live_id, wanted))).hexdigest()
        clip_id = new_id()
        if idempotency_key is not None:
            clip_id = str(uuid5(_IDS, f"{caller} {idempotency_key}"))
            known = await self._rows.get(clip_id)
            if known is not None:
                return _same(known, said)
        row = await self._source(caller, live_id, wanted.source_id)
        await self._check_room(caller, row.user_id)
        now = self._clock()
        title = wanted.title if wanted.title is not None else f"{row.title[:90]} (clip)"
        clip = ClipRow(
            video_id=clip_id,
            live_id=row.live_id,
            source_id=row.video_id,
            user_id=row.user_id,
            made_by=caller,
            title=clean_title(title),
            visibility=wanted.visibility,
            seconds=wanted.seconds,
            ends_at=bounded(wanted.ends_at, now),
            fingerprint=said,
            asked_at=now,
        )
        return _same(await self._rows.add(clip), said)

    async def get(self, caller: str, video_id: str) -> ClipRow:
        """For who made it, and for the owner. Raises ClipNotFound."""
        row = await self._rows.get(video_id)
        if row is None or caller not in (row.user_id, row.made_by):
            raise ClipNotFound
        return row

    async def of_stream(self, caller: str, live_id: str) -> list[ClipRow]:
        """The newest first, without deleted ones. Raises LiveStreamNotFound."""
        stream = await self._events.stream(live_id)
        if stream.owner != caller or stream.deleted:
            raise LiveStreamNotFound
        rows = await self._rows.of_stream(live_id, _LISTED)
        gone = await self._events.deleted_videos([row.video_id for row in rows])
        return [row for row in rows if row.video_id not in gone]

    async def _source(self, caller: str, live_id: str | None, video_id: str | None) -> SessionRow:
        """The session to make a clip of, if the caller may."""
        if video_id is None and live_id is not None:
            stream = await self._events.stream(live_id)
            if stream.owner != caller:
                raise LiveStreamNotFound
            video_id = stream.video_id
        row = None if video_id is None else await self._sessions.get(video_id)
        if row is None or row.epoch == 0 or live_id not in (None, row.live_id):
            raise NothingToClip
        stream = await self._events.stream(row.live_id)
        visibility = await self._events.visibility(row.video_id)
        if visibility is None:
            raise NothingToClip
        if not may_clip(caller, row.user_id, stream.clips_by, visibility):
            # Whoever cannot see it does not learn that it is there.
            hidden = visibility in ("private", "draft")
            raise NothingToClip if hidden else ClipsNotAllowed
        return row

    async def _check_room(self, caller: str, owner: str) -> None:
        """What an account has stored is not for others to know."""
        full = await self._accounts.refusal(owner, begins=True)
        if full is not None:
            raise NoRoomForClip(
                full if caller == owner else "The owner of this live has no room for another clip."
            )

    async def round(self) -> None:
        """Make the clips whose segments are there."""
        rows = await self._rows.waiting(_BATCH, self._items.waiting)
        await self._items.each(rows, lambda row: row.video_id, self._make)

    async def _make(self, row: ClipRow) -> None:
        session = await self._events.session(row.source_id)
        if not is_due(session.phase, row.ends_at, self._clock()):
            return
        visibility = await self._visibility(row)
        try:
            if visibility is None:
                # Whoever no longer sees it does not learn whether it is there.
                raise NotMade("The live was deleted, or it is private now.")
            made = await self._maker.make(row, visibility)
        except NotMade as error:
            made = msgspec.structs.replace(row, state="failed", reason=str(error))
        await self._rows.done(made)
        self._advanced()
        _log.info("clip", video=row.video_id, source=row.source_id, state=made.state)

    async def _visibility(self, row: ClipRow) -> Visibility | None:
        """The live's now; None if it is deleted, nobody owns it any more, or it is hidden from whom
        the clip is for."""
        if await self._events.is_account_deleted(row.user_id):
            return None
        visibility = await self._events.visibility(row.source_id)
        hidden = visibility in ("private", "draft")
        if hidden and row.made_by != row.user_id:
            return None
        return visibility


def _same(row: ClipRow, fingerprint: str) -> ClipRow:
    if row.fingerprint != fingerprint:
        raise KeyReused("This idempotency key was used for a different clip.")
    return row
