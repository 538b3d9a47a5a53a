"""What owners do with the simulcast targets of their live streams."""

from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID, uuid5

import msgspec

from services.live.domain.stream import (
    AddTarget,
    DeleteTarget,
    LiveStreamNotFound,
    SwitchTarget,
)
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.owners import is_quiet
from services.live.row_ports import SessionRows
from services.live.simulcast.access import read_target
from services.live.simulcast.repository import Most, TargetRow, TargetsRepository
from services.live.simulcast.sealing import Sealer
from services.live.simulcast.targets import (
    MAX_NAME,
    SrtNotInstalled,
    TargetKeyReused,
    TargetNotFound,
)
from shared.contracts import SimulcastState, new_id
from shared.errors import Detail, InvalidInput
from shared.event_store.changes import TooManyChanges
from shared.public_addresses import Reach
from shared.text_rules import RefusedText, clean_title

_IDS: Final = UUID("4b0d8a52-5b5b-5f0a-8f5e-0a8f0f7c9d21")

ShownState = SimulcastState | Literal["disabled"]


class NewTarget(msgspec.Struct, frozen=True, kw_only=True):
    """``stream_key``, and what an address by SRT says behind its ``?``, is never shown again."""

    url: str
    stream_key: str = ""
    name: str = ""

    def __repr__(self) -> str:
        return "NewTarget(***)"


class ShownTarget(msgspec.Struct, frozen=True, kw_only=True):
    row: TargetRow
    state: ShownState
    error: str | None


class Targets:
    """All raise LiveStreamNotFound for another's stream, TargetNotFound for an unknown target.

    ``srt``: whether targets may be reached by SRT.
    """

    def __init__(
        self,
        rows: TargetsRepository,
        sessions: SessionRows,
        events: LiveEvents,
        sealer: Sealer,
        reach: Reach,
        *,
        most: Most,
        srt: bool,
    ) -> None:
        self._rows = rows
        self._sessions = sessions
        self._events = events
        self._sealer = sealer
        self._reach = reach
        self._most = most
        self._srt = srt

    async def create(
        self, user_id: str, live_id: str, new: NewTarget, idempotency_key: str | None
    ) -> ShownTarget:
        """Raises InvalidInput, SrtNotInstalled, TooManyTargets, TargetKeyReused."""
        await self._check_owner(user_id, live_id)
        place, secret = read_target(new.url.strip(), new.stream_key, self._reach)
        if place.scheme == "srt" and not self._srt:
            raise SrtNotInstalled
        name = _clean_name(new.name or place.host)
        target_id = new_id()
        if idempotency_key is not None:
            target_id = str(uuid5(_IDS, f"{live_id} {idempotency_key}"))
        # The secret's share in it cannot be guessed from it: the sealer's own goes in, too.
        said = self._sealer.mark(f"{place.url} {name} {secret}")
        row = TargetRow(
            id=target_id,
            live_id=live_id,
            user_id=user_id,
            name=name,
            url=place.url,
            sealed=self._sealer.seal(target_id, secret),
            fingerprint=said,
            created_at=datetime.now(UTC),
        )
        row = await self._rows.add(row, self._most)
        if row.fingerprint != said:
            raise TargetKeyReused
        try:
            await self._events.decide_stream(live_id, AddTarget(user_id, row.id, name), user_id)
        except TooManyChanges:
            await self._rows.remove(row.id)
            raise
        return (await self._shown(live_id, [row]))[0]

    async def all(self, user_id: str, live_id: str) -> list[ShownTarget]:
        """The oldest first."""
        await self._check_owner(user_id, live_id)
        return await self._shown(live_id, await self._rows.of_streams([live_id]))

    async def get(self, user_id: str, live_id: str, target_id: str) -> ShownTarget:
        return (await self._shown(live_id, [await self._own(user_id, live_id, target_id)]))[0]

    async def switch(
        self, user_id: str, live_id: str, target_id: str, *, enabled: bool
    ) -> ShownTarget:
        """On or off, also while a live runs. Switching it on again tries again."""
        row = await self._own(user_id, live_id, target_id)
        if row.enabled != enabled:
            command = SwitchTarget(user_id, target_id, enabled)
            await self._events.decide_stream(live_id, command, user_id)
            await self._rows.switch(target_id, enabled=enabled)
        return await self.get(user_id, live_id, target_id)

    async def delete(self, user_id: str, live_id: str, target_id: str) -> None:
        await self._own(user_id, live_id, target_id)
        await self._events.decide_stream(live_id, DeleteTarget(user_id, target_id), user_id)
        await self._rows.remove(target_id)

    async def _own(self, user_id: str, live_id: str, target_id: str) -> TargetRow:
        await self._check_owner(user_id, live_id)
        row = await self._rows.get(live_id, target_id)
        if row is None:
            raise TargetNotFound
        return row

    async def _check_owner(self, user_id: str, live_id: str) -> None:
        stream = await self._events.stream(live_id)
        if stream.owner != user_id or stream.deleted:
            raise LiveStreamNotFound

    async def _shown(self, live_id: str, rows: list[TargetRow]) -> list[ShownTarget]:
        running = (await self._sessions.running([live_id])).get(live_id)
        video_id = None
        if running is not None and running.held and not is_quiet(running):
            video_id = running.video_id
        return [_shown_target(row, video_id) for row in rows]


def _shown_target(row: TargetRow, video_id: str | None) -> ShownTarget:
    """``video_id``: of the session that has a publisher; what was said of others is over."""
    if not row.enabled:
        return ShownTarget(row=row, state="disabled", error=None)
    if video_id is None or row.video_id != video_id:
        return ShownTarget(row=row, state="idle", error=None)
    return ShownTarget(row=row, state=row.state, error=row.error)


def _clean_name(name: str) -> str:
    try:
        return clean_title(name)[:MAX_NAME]
    except RefusedText as refused:
        problem = refused.problem
        raise InvalidInput(f"The name {problem}.", [Detail("name", problem)]) from None
