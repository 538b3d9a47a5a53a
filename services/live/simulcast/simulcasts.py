"""All targets of the sessions that this replica owns."""

import asyncio
from typing import Final

from services.live.domain.stream import LiveStreamNotFound, ReportTarget
from services.live.flv.tags import SCRIPT, Content, NotPlayable, Tag, content
from services.live.handlers.live_events import LiveEvents
from services.live.ports import Session
from services.live.simulcast.repository import TargetRow, TargetsRepository
from services.live.simulcast.sealing import Sealer, Unsealable
from services.live.simulcast.sender import Progress, Sender
from services.live.simulcast.targets import read_place
from services.live.simulcast.transports import Transports
from shared.errors import InvalidInput, Unavailable
from shared.loops.cancellation import end
from shared.public_addresses import Reach
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Events of one target in one session: what changes more often is in the table alone.
_MAX_EVENTS: Final = 200
_UNREADABLE: Final = "Its key cannot be read any more. Delete the target and add it again."


class Tap:
    """Takes the tags of one publisher, for all targets of its stream. Never waits."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.headers: dict[int, Tag] = {}
        self.senders: dict[str, Sender] = {}
        # What the table has of each target, and how many events the log has.
        self.told: dict[str, Progress] = {}
        self.events: dict[str, int] = {}
        self.failed: dict[str, Progress] = {}
        self.closed = False

    def offer(self, tag: Tag) -> None:
        """A tag that the session has taken."""
        inside: Content | None = None
        if tag.kind != SCRIPT:
            try:
                inside = content(tag)
            except NotPlayable:
                return
        if tag.kind == SCRIPT or (inside is not None and inside.header):
            self.headers[tag.kind] = tag
        for sender in self.senders.values():
            sender.offer(tag, inside)

    def close(self) -> None:
        """The publisher is gone."""
        self.closed = True
        for sender in self.senders.values():
            sender.task.cancel()

    def progress(self) -> dict[str, Progress]:
        """How each target is doing."""
        running = {name: sender.progress for name, sender in self.senders.items()}
        found = running | self.failed
        if self.closed:
            return {name: Progress("idle", None, each.dropped) for name, each in found.items()}
        return found


class Simulcasts:
    """Opens taps. Call ``round`` each second: it follows the table, and writes into it."""

    def __init__(
        self,
        rows: TargetsRepository,
        events: LiveEvents,
        sealer: Sealer,
        transports: Transports,
        reach: Reach,
    ) -> None:
        self._rows = rows
        self._events = events
        self._sealer = sealer
        self._transports = transports
        self._reach = reach
        self._taps: list[Tap] = []

    def open(self, session: Session) -> Tap:
        """The tap of a session's new publisher; the replica that takes it over opens another."""
        tap = Tap(session)
        self._taps.append(tap)
        return tap

    async def round(self) -> None:
        """Raises Unavailable."""
        if not self._taps:
            return
        live_ids = {tap.session.live_id for tap in self._taps}
        rows = await self._rows.of_streams([*live_ids])
        for tap in list(self._taps):
            wanted = [row for row in rows if row.live_id == tap.session.live_id]
            await self._follow(tap, wanted)
            await self._tell(tap)
            if tap.closed:
                self._taps.remove(tap)

    async def _follow(self, tap: Tap, rows: list[TargetRow]) -> None:
        """Begin with what is new, and end what is gone or switched off."""
        wanted = {row.id: row for row in rows if row.enabled}
        gone = [name for name in tap.senders if name not in wanted or _again(tap, wanted[name])]
        await end([tap.senders.pop(name).task for name in gone])
        for name in {*gone, *(name for name in tap.failed if name not in wanted)}:
            tap.failed.pop(name, None)
            tap.told.pop(name, None)
        if tap.closed:
            return
        for row in wanted.values():
            if row.id not in tap.senders and row.id not in tap.failed:
                self._begin(tap, row)

    def _begin(self, tap: Tap, row: TargetRow) -> None:
        try:
            secret = self._sealer.open(row.id, row.sealed)
            transport = self._transports.to(read_place(row.url, self._reach), secret)
        except Unsealable:
            tap.failed[row.id] = Progress("errored", _UNREADABLE)
        except InvalidInput as error:
            tap.failed[row.id] = Progress("errored", error.message)
        else:
            tap.senders[row.id] = Sender(row.id, transport, tap.headers)

    async def _tell(self, tap: Tap) -> None:
        """Write down what has changed; the log has what a person wants to know."""
        for name, progress in tap.progress().items():
            told = tap.told.get(name)
            if progress == told:
                continue
            session = tap.session
            stored = await self._rows.report(name, session.video_id, session.epoch, progress)
            tap.told[name] = progress
            if stored and (told is None or told.state != progress.state):
                await self._record(tap, name, progress)

    async def _record(self, tap: Tap, target_id: str, progress: Progress) -> None:
        tap.events[target_id] = tap.events.get(target_id, 0) + 1
        if tap.events[target_id] > _MAX_EVENTS:
            return
        session = tap.session
        command = ReportTarget(target_id, session.video_id, progress.state, progress.error)
        try:
            await self._events.decide_stream(session.live_id, command, session.user_id)
        except LiveStreamNotFound:
            return
        _log.info("simulcast", live=session.live_id, target=target_id, state=progress.state)

    async def close(self) -> None:
        """End all connections, and say so where the database answers."""
        for tap in self._taps:
            tap.close()
        tasks = [sender.task for tap in self._taps for sender in tap.senders.values()]
        await asyncio.wait(tasks, timeout=2.0) if tasks else None
        try:
            await self.round()
        except Unavailable as error:
            _log.warning("simulcast not reported", reason=repr(error))


def _again(tap: Tap, row: TargetRow) -> bool:
    """Whether a target that was given up has been switched off and on between two rounds."""
    told = tap.told.get(row.id)
    given_up = told is not None and told.state == "errored"
    return given_up and row.state == "idle" and row.epoch == tap.session.epoch
