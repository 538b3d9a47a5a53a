"""The sessions, for those that receive and record them: implements ``ports.Sessions``."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.live.domain.session import (
    Connect,
    Disconnect,
    Fenced,
    LiveSession,
    MakePoster,
    Publish,
    Reconnect,
    Record,
    SessionEnded,
)
from services.live.domain.stream import (
    LiveStream,
    LiveStreamNotFound,
    OpenSession,
    SessionRunning,
    StreamDisabled,
)
from services.live.handlers.ending import close_session, end_session
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.owners import is_quiet
from services.live.keys import key_hash
from services.live.ports import (
    Accounts,
    Credential,
    Entrance,
    Health,
    KeyHash,
    Metrics,
    OwnStream,
    Publisher,
    Refused,
    Session,
)
from services.live.row_ports import Report, SessionRows, StreamRow, StreamRows
from shared.contracts import Event, LivePosterMade, LivePublished, LiveRecorded, new_id
from shared.event_store.changes import TooManyChanges
from shared.outages import is_outage
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Another publisher of the same stream may open or end a session between two steps.
_ATTEMPTS: Final = 5
_UNKNOWN: Final = "This stream key is not known."
_DISABLED: Final = "This live stream is disabled."


class Replica(msgspec.Struct, frozen=True):
    """This process: its name, and where other processes reach it."""

    name: str
    address: str


class LiveSessions:
    """Implements ``ports.Sessions``. ``most_at_once``: sessions that a user may have open."""

    def __init__(
        self,
        streams: StreamRows,
        sessions: SessionRows,
        events: LiveEvents,
        metrics: Metrics,
        accounts: Accounts,
        *,
        replica: Replica,
        most_at_once: int,
    ) -> None:
        self._streams = streams
        self._sessions = sessions
        self._events = events
        self._metrics = metrics
        self._accounts = accounts
        self._replica = replica
        self._most = most_at_once

    async def connect(
        self,
        credential: Credential,
        publisher: Publisher,
        entrance: Entrance | None = None,
    ) -> Session:
        try:
            session = await self._connect(credential, publisher, entrance)
        except (Refused, TooManyChanges) as error:
            refused = error if isinstance(error, Refused) else Refused("full", error.message)
            self._metrics.refused(publisher.protocol, refused.code)
            _log.info("publisher refused", address=publisher.address, code=refused.code)
            raise refused from None
        except Exception as error:
            if not is_outage(error):
                _log.error("publisher not connected", error=repr(error))
            self._metrics.refused(publisher.protocol, "unavailable")
            text = "Live streams cannot be started right now. Try again in a moment."
            raise Refused("unavailable", text) from error
        self._metrics.connected(publisher.protocol, takeover=session.epoch > 1)
        _log.info(
            "publisher connected",
            video=session.video_id,
            epoch=session.epoch,
            software=publisher.software[:80],
        )
        return session

    async def alive(
        self,
        session: Session,
        *,
        sending: bool,
        settled: bool = False,
        health: Health | None = None,
    ) -> str | None:
        report = Report(
            sending=sending,
            held=not settled,
            address=self._replica.address,
            replica=self._replica.name,
            health=None if health is None else msgspec.json.encode(health).decode(),
        )
        beat = await self._sessions.beat(session.video_id, session.epoch, report)
        if beat is None:
            raise Fenced(f"epoch {session.epoch} is over")
        return beat.closing

    async def published(self, session: Session, batch: LivePublished) -> None:
        video_id = session.video_id
        state = await self._events.decide_session(video_id, Publish(batch), session.user_id)
        if session.started_at is None and state.started_at is not None:
            await self._sessions.started(video_id, state.started_at)

    async def disconnected(self, session: Session, reason: str, *, clean: bool) -> None:
        command = Disconnect(epoch=session.epoch, reason=reason, clean=clean)
        await self._events.decide_session(session.video_id, command, session.user_id)
        await self._sessions.release(session.video_id, session.epoch)
        _log.info("publisher gone", video=session.video_id, reason=reason, clean=clean)

    async def give_up(self, session: Session, reason: str) -> None:
        video_id = session.video_id
        if (await self._events.session(video_id)).epoch == session.epoch:
            await end_session(self._events, self._sessions, video_id, session.user_id, reason)

    async def poster_made(self, session: Session, made: LivePosterMade) -> None:
        await self._events.decide_session(session.video_id, MakePoster(made), session.user_id)

    async def owner(self, video_id: str) -> str | None:
        row = await self._sessions.get(video_id)
        return None if row is None or is_quiet(row) else row.address

    async def history(self, video_id: str, after: int = 0) -> Sequence[Event]:
        return await self._events.history(video_id, after)

    async def is_over(self, video_id: str) -> bool:
        return (await self._events.session(video_id)).phase in {"ended", "recorded"}

    async def recorded(self, recorded: LiveRecorded, next_segment: int) -> None:
        session = await self._events.session(recorded.video_id)
        command = Record(recorded, next_segment)
        await self._events.decide_session(recorded.video_id, command, session.user_id)

    async def _connect(
        self, credential: Credential, publisher: Publisher, entrance: Entrance | None
    ) -> Session:
        row = await self._stream_of(credential)
        if row is None or await self._events.is_account_deleted(row.user_id):
            raise Refused("unknown_key", _UNKNOWN)
        for _ in range(_ATTEMPTS):
            video_id = await self._open(row, entrance)
            address, name = self._replica.address, self._replica.name
            await self._sessions.claim(video_id, row.key_hash, address, name)
            try:
                # Read after the claim: whoever disables the stream from now on finds the claim.
                stream = await self._usable(row.id)
                session = await self._take(row, stream, video_id, publisher)
            except (Fenced, SessionEnded):
                await self._sessions.give_back(video_id, name)
                await close_session(self._events, self._sessions, video_id, row.user_id)
                continue
            except BaseException:
                await self._sessions.give_back(video_id, name)
                raise
            await self._sessions.own(video_id, session.epoch, address, name, session.started_at)
            return _for_owner(session, stream)
        raise Refused("busy", "Another program connects to this live stream at the same time.")

    async def _enter(self, video_id: str, entrance: Entrance) -> None:
        """Whether there is room for a session that is open already. Raises Refused."""
        phase = (await self._events.session(video_id)).phase
        if phase == "none":
            # It was opened for a publisher that did not come in.
            entrance.begin()
        elif phase in {"active", "disconnected"}:
            await entrance.go_on(video_id)

    async def _stream_of(self, credential: Credential) -> StreamRow | None:
        match credential:
            case KeyHash(value=hashed):
                return await self._streams.by_key(hashed)
            case OwnStream(live_id=live_id, user_id=user_id):
                row = await self._streams.get(live_id)
                return row if row is not None and row.user_id == user_id else None
            case key:
                return await self._streams.by_key(key_hash(key))

    async def _open(self, row: StreamRow, entrance: Entrance | None = None) -> str:
        """The session to send to: the open one, or a new one. Its row is there first."""
        while True:
            stream = await self._usable(row.id)
            if stream.video_id is not None:
                if entrance is not None:
                    await self._enter(stream.video_id, entrance)
                return stream.video_id
            if entrance is not None:
                entrance.begin()
            full = await self._accounts.refusal(row.user_id, begins=True)
            if full is not None:
                raise Refused("full", full)
            video_id = new_id()
            await self._sessions.add(
                video_id, row.id, row.user_id, stream.settings.title, self._most
            )
            try:
                await self._events.decide_stream(row.id, OpenSession(video_id), row.user_id)
            except SessionRunning:
                await self._sessions.set_phase(video_id, "closed")
                continue
            except (StreamDisabled, LiveStreamNotFound):
                await self._sessions.set_phase(video_id, "closed")
                continue
            except TooManyChanges:
                await self._sessions.set_phase(video_id, "closed")
                raise
            return video_id

    async def _usable(self, live_id: str) -> LiveStream:
        stream = await self._events.stream(live_id)
        if stream.owner is None or stream.deleted:
            raise Refused("unknown_key", _UNKNOWN)
        if stream.disabled:
            raise Refused("disabled", _DISABLED)
        return stream

    async def _take(
        self, row: StreamRow, stream: LiveStream, video_id: str, publisher: Publisher
    ) -> LiveSession:
        session = await self._events.session(video_id)
        if session.phase == "none":
            settings = stream.settings
            command: Connect | Reconnect = Connect(
                video_id=video_id,
                live_id=row.id,
                user_id=row.user_id,
                protocol=publisher.protocol,
                replica=self._replica.name,
                title=settings.title,
                description=settings.description,
                visibility=settings.visibility,
                latency=settings.latency,
                record=settings.record,
            )
        else:
            command = Reconnect(
                epoch=session.epoch, protocol=publisher.protocol, replica=self._replica.name
            )
        taken = await self._events.decide_session(video_id, command, row.user_id)
        if taken.epoch != session.epoch + 1:
            raise Fenced(f"epoch {taken.epoch} came first")
        return taken


def _for_owner(session: LiveSession, stream: LiveStream) -> Session:
    return Session(
        video_id=session.video_id,
        live_id=session.live_id,
        user_id=session.user_id,
        epoch=session.epoch,
        latency=session.latency,
        reconnect_seconds=stream.settings.reconnect_seconds,
        record=session.record,
        next_segment=session.next_segment,
        jumps=session.jumps,
        tracks=session.tracks,
        started_at=session.started_at,
    )
