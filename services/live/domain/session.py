"""The decider of one session of a live stream: who sends, what is stored, how it ends. Pure.

Each publisher that takes the session over raises its ``epoch``. What a replica of an older epoch
wants to append is refused, so that two replicas never add to one session.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.contracts import (
    EncodedTrack,
    Event,
    Latency,
    LiveClipMade,
    LiveConnected,
    LiveDisconnected,
    LiveEnded,
    LivePosterMade,
    LiveProtocol,
    LivePublished,
    LiveReconnected,
    LiveRecorded,
    Visibility,
)
from shared.errors import Conflict

Phase = Literal["none", "active", "disconnected", "ended", "recorded"]
"""none: opened, and no publisher was recorded yet. ended: its last segments may still arrive."""


class Fenced(Exception):
    """Another replica has taken the session over, or the session is closed."""


class SessionEnded(Conflict):
    """The session has ended: the next publisher needs another one."""

    code = "live_session_ended"

    def __init__(self) -> None:
        super().__init__("This session has ended.")


class LastTrack(msgspec.Struct, frozen=True, kw_only=True):
    """Where a track stands: what a replica needs to go on with it.

    ``next_segment``: the number of its next segment. ``end``: when its last segment ends, in ticks
    of ``timescale``.
    """

    name: str
    timescale: int
    codecs: str
    init_key: str
    init_sha256: str
    init_size: int
    next_segment: int
    end: int


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session, folded from its events. The segments themselves are only counted."""

    video_id: str = ""
    live_id: str = ""
    user_id: str = ""
    phase: Phase = "none"
    epoch: int = 0
    protocol: LiveProtocol = "rtmp"
    latency: Latency = "low"
    visibility: Visibility = "public"
    title: str = ""
    record: bool = True
    next_segment: int = 0
    jumps: int = 0
    tracks: tuple[LastTrack, ...] = ()
    started_at: datetime | None = None
    poster_key: str | None = None
    size: int = 0
    end_reason: str | None = None


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """The first publisher, with the stream's settings at this time."""

    video_id: str
    live_id: str
    user_id: str
    protocol: LiveProtocol
    replica: str
    title: str
    description: str
    visibility: Visibility
    latency: Latency
    record: bool


class Reconnect(msgspec.Struct, frozen=True, kw_only=True):
    """A publisher that takes over from ``epoch``."""

    epoch: int
    protocol: LiveProtocol
    replica: str


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """The publisher of ``epoch`` was taken for gone, and has been sending all the time."""

    epoch: int
    replica: str


class Publish(msgspec.Struct, frozen=True):
    batch: LivePublished


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    epoch: int
    reason: str
    clean: bool


class End(msgspec.Struct, frozen=True):
    """``peak_viewers``, ``total_viewers``: None where nobody could count them."""

    reason: str
    peak_viewers: int | None = None
    total_viewers: int | None = None


class Record(msgspec.Struct, frozen=True):
    recorded: LiveRecorded
    next_segment: int


class MakePoster(msgspec.Struct, frozen=True):
    made: LivePosterMade


class MakeClip(msgspec.Struct, frozen=True):
    """A video of its own from some segments of another session; they are copied already."""

    made: LiveClipMade
    batches: tuple[LivePublished, ...]


Command = Connect | Reconnect | Resume | Publish | Disconnect | End | Record | MakePoster | MakeClip


def initial() -> LiveSession:
    """The state before the first event."""
    return LiveSession()


def decide(session: LiveSession, command: Command) -> Sequence[Event]:  # noqa: PLR0911
    """The events that ``command`` causes; none if it has had its effect already.

    Raises Fenced, SessionEnded.
    """
    match command:
        case Connect():
            return _connect(session, command)
        case Reconnect():
            return _reconnect(session, command)
        case Resume():
            if session.phase != "disconnected" or session.epoch != command.epoch:
                return []
            return [_reconnected(session, command.epoch, session.protocol, command.replica)]
        case Publish():
            return _publish(session, command.batch)
        case Disconnect():
            return _disconnect(session, command)
        case End():
            return _end(session, command)
        case Record():
            return _record(session, command)
        case MakePoster():
            unknown = session.phase == "none" or command.made.video_id != session.video_id
            same = command.made.poster_key == session.poster_key
            return [] if unknown or same else [command.made]
        case MakeClip():
            return [command.made, *command.batches] if session.phase == "none" else []


def _connect(session: LiveSession, command: Connect) -> Sequence[Event]:
    if session.phase != "none":
        raise Fenced(f"epoch {session.epoch} has connected")
    return [LiveConnected(epoch=1, **msgspec.structs.asdict(command))]


def _reconnect(session: LiveSession, command: Reconnect) -> Sequence[Event]:
    if session.phase in {"ended", "recorded"}:
        raise SessionEnded
    if session.phase == "none" or session.epoch != command.epoch:
        raise Fenced(f"epoch {session.epoch} is newer than {command.epoch}")
    return [_reconnected(session, command.epoch + 1, command.protocol, command.replica)]


def _reconnected(
    session: LiveSession, epoch: int, protocol: LiveProtocol, replica: str
) -> LiveReconnected:
    return LiveReconnected(
        video_id=session.video_id, epoch=epoch, protocol=protocol, replica=replica
    )


def _publish(session: LiveSession, batch: LivePublished) -> Sequence[Event]:
    """The owner's last segments are taken after the end, too, until the recording is made."""
    if session.phase in {"none", "recorded"} or batch.epoch != session.epoch:
        raise Fenced(f"epoch {session.epoch} is {session.phase}, not {batch.epoch}")
    if not _segments(batch.tracks):
        return []
    if batch.first_segment < session.next_segment:
        # A repetition: its first try was appended, and the answer was lost.
        return []
    return [batch]


def _disconnect(session: LiveSession, command: Disconnect) -> Sequence[Event]:
    if session.phase != "active" or command.epoch != session.epoch:
        return []
    return [
        LiveDisconnected(
            video_id=session.video_id,
            epoch=command.epoch,
            reason=command.reason,
            clean=command.clean,
        )
    ]


def _end(session: LiveSession, command: End) -> Sequence[Event]:
    if session.phase not in {"active", "disconnected"}:
        return []
    return [
        LiveEnded(
            video_id=session.video_id,
            live_id=session.live_id,
            user_id=session.user_id,
            reason=command.reason,
            peak_viewers=command.peak_viewers,
            total_viewers=command.total_viewers,
        )
    ]


def _record(session: LiveSession, command: Record) -> Sequence[Event]:
    if session.phase == "recorded":
        return []
    if session.phase != "ended" or command.next_segment != session.next_segment:
        raise Fenced(f"{session.phase} at segment {session.next_segment}")
    return [command.recorded]


def evolve(session: LiveSession, event: Event) -> LiveSession:  # noqa: PLR0911 - one per event
    """The session after ``event``."""
    replace = msgspec.structs.replace
    match event:
        case LiveConnected():
            return LiveSession(
                phase="active",
                **{
                    name: getattr(event, name)
                    for name in LiveSession.__struct_fields__
                    if name in LiveConnected.__struct_fields__
                },
            )
        case LiveClipMade():
            # As a session that has ended: only its recording follows.
            return LiveSession(
                video_id=event.video_id,
                live_id=event.live_id,
                user_id=event.user_id,
                phase="ended",
                visibility=event.visibility,
                title=event.title,
            )
        case LiveReconnected():
            return replace(session, phase="active", epoch=event.epoch, protocol=event.protocol)
        case LivePublished():
            return _published(session, event)
        case LiveDisconnected():
            return replace(session, phase="disconnected")
        case LiveEnded():
            return replace(session, phase="ended", end_reason=event.reason)
        case LiveRecorded():
            return replace(session, phase="recorded")
        case LivePosterMade():
            return replace(session, poster_key=event.poster_key)
        case _:
            return session


def _published(session: LiveSession, event: LivePublished) -> LiveSession:
    tracks = {track.name: track for track in session.tracks}
    for track in event.tracks:
        if track.segments:
            tracks[track.name] = _last(track)
    return msgspec.structs.replace(
        session,
        next_segment=event.first_segment + _segments(event.tracks),
        jumps=session.jumps + event.jump,
        tracks=tuple(tracks.values()),
        started_at=session.started_at or event.started_at,
        size=session.size
        + sum(segment.size for track in event.tracks for segment in track.segments),
    )


def _last(track: EncodedTrack) -> LastTrack:
    segment = track.segments[-1]
    return LastTrack(
        name=track.name,
        timescale=track.timescale,
        codecs=track.codecs,
        init_key=track.init_key,
        init_sha256=track.init_sha256,
        init_size=track.init_size,
        next_segment=segment.index + 1,
        end=segment.start + segment.duration,
    )


def _segments(tracks: Sequence[EncodedTrack]) -> int:
    """The number of segments of a batch: all its tracks have the same."""
    return max((len(track.segments) for track in tracks), default=0)
