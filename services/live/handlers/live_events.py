"""The streams of the log that live writes, and what it reads of others'."""

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from opentelemetry import trace

from services.live.domain import session as session_decider
from services.live.domain import stream as stream_decider
from services.live.domain.session import Command as SessionCommand
from services.live.domain.session import Fenced, LiveSession, SessionEnded
from services.live.domain.stream import Command as StreamCommand
from services.live.domain.stream import LiveStream
from services.live.handlers import video_shown
from services.live.handlers.followed import Followed
from services.live.handlers.video_shown import VideoShown
from shared.contracts import (
    Event,
    UserDeleted,
    VideoDeleted,
    Visibility,
    stream_id,
)
from shared.event_store.decider import Decider, execute, fold
from shared.event_store.serialization import readable
from shared.event_store.store import (
    EventStore,
    Metadata,
    NewEvent,
    RecordedEvent,
    UnreadableStream,
    WrongExpectedVersion,
)
from shared.telemetry import continued, current_traceparent, get_logger, tracer

_log = get_logger(__name__)

_STREAM: Final = Decider(stream_decider.initial, stream_decider.decide, stream_decider.evolve)
# Others append to a session rarely: its owner, the leader, its user.
_ATTEMPTS: Final = 5
# The most private that there is.
_UNKNOWN: Final = "private"
# Streams of each kind whose state is kept: no batch of a session reads all batches before it, and
# no request for its chat all events of its video.
_KEPT: Final = 2_000


class LiveEvents:
    """Loads, decides, appends."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._streams = Followed(store, "live", _STREAM.initial(), _stream_after, most=_KEPT)
        self._sessions = Followed(
            store, "livesession", session_decider.initial(), _session_after, most=_KEPT
        )
        self._videos = Followed(store, "video", VideoShown(), video_shown.evolve, most=_KEPT)

    async def stream(self, live_id: str) -> LiveStream:
        """A live stream as the log has it now. Raises UnreadableStream."""
        state, _ = await self._streams.now(live_id)
        return state

    async def streams(self, live_ids: Sequence[str]) -> dict[str, LiveStream]:
        """Several of them, in one request."""
        names = {live_id: stream_id("live", live_id) for live_id in live_ids}
        found = await self._store.read_streams([*names.values()])
        return {live_id: fold(found[name], _STREAM)[0] for live_id, name in names.items()}

    async def decide_stream(self, live_id: str, command: StreamCommand, actor: str) -> LiveStream:
        """Append what ``command`` leads to. Raises what the decider raises."""
        metadata = _metadata(live_id, actor)
        name = stream_id("live", live_id)
        outcome = await execute(self._store, name, _STREAM, command, metadata)
        for event in outcome.events:
            _log.info("live stream", live=live_id, event_type=type(event).__name__)
        return outcome.state

    async def session(self, video_id: str) -> LiveSession:
        """A session as the log has it now. Raises UnreadableStream."""
        state, _ = await self._sessions.now(video_id)
        return state

    async def decide_session(
        self, video_id: str, command: SessionCommand, actor: str
    ) -> LiveSession:
        """Append what ``command`` leads to. Raises Fenced, SessionEnded, UnreadableStream.

        The state that is kept is tried first. What it refuses, or finds done, is decided again on
        the present state.
        """
        state, version = self._sessions.kept(video_id) or await self._sessions.now(video_id)
        present = False
        for attempt in range(_ATTEMPTS):
            try:
                events = session_decider.decide(state, command)
            except (Fenced, SessionEnded):
                if present:
                    raise
                events = ()
            if not events and present:
                return state
            if events:
                try:
                    return await self._append(video_id, state, version, events, actor)
                except WrongExpectedVersion:
                    if attempt == _ATTEMPTS - 1:
                        raise
            state, version = await self._sessions.now(video_id)
            present = True
        return state

    async def history(self, video_id: str, after: int = 0) -> Sequence[Event]:
        """The events of a session without the first ``after``. Raises UnreadableStream."""
        recorded = await self._store.read_stream(stream_id("livesession", video_id), after)
        return [readable(event).data for event in recorded]

    async def is_video_deleted(self, video_id: str) -> bool:
        """Whether the log has the video's deletion."""
        shown, _ = await self._videos.now(video_id)
        return shown.deleted

    async def deleted_videos(self, video_ids: Sequence[str]) -> set[str]:
        """Those of them that the log has a deletion of."""
        names = {stream_id("video", video_id): video_id for video_id in video_ids}
        found = await self._store.read_streams([*names])
        return {
            names[name]
            for name, events in found.items()
            if any(isinstance(event.data, VideoDeleted) for event in events)
        }

    async def visibility(self, video_id: str) -> Visibility | None:
        """Who sees a session's video now, as its owner has set it last; None where there is no such
        session, or its video is deleted or in the bin.

        Where there is an event that this version cannot read, only the owner does: a newer version
        may have hidden it.
        """
        try:
            session = await self.session(video_id)
        except UnreadableStream:
            return _UNKNOWN
        if session.phase == "none":
            return None
        shown, _ = await self._videos.now(video_id)
        if shown.deleted or shown.binned:
            return None
        return _UNKNOWN if shown.unclear else shown.visibility or session.visibility

    async def stream_visibility(self, live_id: str) -> Visibility | None:
        """Who would see a stream's next session; None where there is no such stream."""
        try:
            stream = await self.stream(live_id)
        except UnreadableStream:
            return _UNKNOWN
        return None if stream.owner is None or stream.deleted else stream.settings.visibility

    async def is_account_deleted(self, user_id: str) -> bool:
        """Whether the log has the account's deletion."""
        return user_id in await self.deleted_accounts([user_id])

    async def deleted_accounts(self, user_ids: Collection[str]) -> set[str]:
        """Those of them that the log has a deletion of."""
        names = {stream_id("user", user_id): user_id for user_id in user_ids}
        found = await self._store.read_streams([*names])
        return {
            names[name]
            for name, events in found.items()
            if any(isinstance(event.data, UserDeleted) for event in events)
        }

    def forget(self, video_id: str) -> None:
        """The session is over: its state need not be kept."""
        self._sessions.forget(video_id)

    async def _append(
        self,
        video_id: str,
        state: LiveSession,
        version: int,
        events: Sequence[Event],
        actor: str,
    ) -> LiveSession:
        with _in_trace(video_id, events):
            after = await self._store.append(
                stream_id("livesession", video_id),
                version,
                [NewEvent(event) for event in events],
                _metadata(video_id, actor),
            )
        for event in events:
            state = session_decider.evolve(state, event)
        self._sessions.keep(video_id, state, after)
        return state


def _stream_after(state: LiveStream, recorded: RecordedEvent) -> LiveStream:
    return stream_decider.evolve(state, readable(recorded).data)


def _session_after(state: LiveSession, recorded: RecordedEvent) -> LiveSession:
    return session_decider.evolve(state, readable(recorded).data)


@contextmanager
def _in_trace(video_id: str, events: Sequence[Event]) -> Generator[None]:
    """A span of the session's trace, which goes on over hours and replicas.

    The trace has the id of the video, so that any process continues it without being told. What
    asked for the events, such as a request, is linked.
    """
    mark = UUID(video_id).hex
    asking = trace.get_current_span().get_span_context()
    links = [trace.Link(asking)] if asking.is_valid else []
    name = f"live {type(events[0]).__name__}"
    attributes = {"video.id": video_id, "live.epoch": getattr(events[0], "epoch", 0)}
    with (
        continued(f"00-{mark}-{mark[16:]}-01"),
        tracer().start_as_current_span(name, links=links, attributes=attributes),
    ):
        yield


def _metadata(entity: str, actor: str) -> Metadata:
    return Metadata(correlation_id=entity, actor=actor, traceparent=current_traceparent())
