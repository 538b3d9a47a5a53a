"""The decider of a live stream: its settings, its key, whether it may be used. Pure.

The key itself is in no command and no event: the table has its hash.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from services.live.domain import plan as planning
from services.live.domain.plan import (
    AnnouncePlan,
    CancelPlan,
    LeadersPlanCommand,
    MeetPlan,
    MissPlan,
    OwnersPlanCommand,
    Plan,
    SchedulePlan,
)
from shared import text_rules
from shared.contracts import (
    ClipsBy,
    Event,
    Latency,
    LiveClippingChanged,
    LiveSessionClosed,
    LiveSessionOpened,
    LiveStreamChanged,
    LiveStreamCreated,
    LiveStreamDeleted,
    LiveStreamDisabled,
    LiveStreamEnabled,
    SimulcastState,
    SimulcastStateChanged,
    SimulcastTargetAdded,
    SimulcastTargetDeleted,
    SimulcastTargetSwitched,
    StreamKeyRotated,
    Visibility,
)
from shared.errors import Conflict, Detail, InvalidInput, NotFound
from shared.text_rules import RefusedText

MAX_RECONNECT_SECONDS: Final = 1800
VISIBILITIES: Final[tuple[Visibility, ...]] = ("public", "unlisted", "private")
"""A session plays while it is being made, so there is no draft of it."""

_Value = TypeVar("_Value")


class LiveStreamNotFound(NotFound):
    """There is no such live stream of this user."""

    code = "live_stream_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such live stream.")


class StreamDisabled(Conflict):
    """The live stream takes no publisher until it is enabled."""

    code = "live_stream_disabled"

    def __init__(self) -> None:
        super().__init__("This live stream is disabled.")


class SessionRunning(Conflict):
    """Another publisher has opened a session meanwhile."""

    code = "live_session_running"

    def __init__(self) -> None:
        super().__init__("This live stream has a running session.")


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner says about a live stream."""

    title: str = ""
    description: str = ""
    visibility: Visibility = "public"
    latency: Latency = "low"
    record: bool = True
    reconnect_seconds: int = 60
    chat: bool = True


class LiveStream(msgspec.Struct, frozen=True, kw_only=True):
    """A live stream, folded from its events. ``owner`` is None before it was created.

    ``video_id``: the session that was opened and not closed yet.
    """

    id: str = ""
    owner: str | None = None
    settings: LiveSettings = LiveSettings()
    disabled: bool = False
    deleted: bool = False
    video_id: str | None = None
    clips_by: ClipsBy = "owner"
    targets: frozenset[str] = frozenset()
    sessions: tuple[str, ...] = ()
    plan: Plan | None = None


class CreateStream(msgspec.Struct, frozen=True):
    """``schedule``: when its first live begins, where that is known."""

    live_id: str
    caller: str
    settings: LiveSettings
    schedule: SchedulePlan | None = None


class ChangeStream(msgspec.Struct, frozen=True):
    """``changes``: the settings that the owner names, by name."""

    caller: str
    changes: dict[str, object]


class RotateKey(msgspec.Struct, frozen=True):
    caller: str


class EnableStream(msgspec.Struct, frozen=True):
    caller: str


class DisableStream(msgspec.Struct, frozen=True):
    caller: str


class DeleteStream(msgspec.Struct, frozen=True):
    """Also where the owner's account is deleted."""

    caller: str


class ChangeClipping(msgspec.Struct, frozen=True):
    """Who may make clips."""

    caller: str
    clips_by: ClipsBy


class AddTarget(msgspec.Struct, frozen=True):
    """Send lives to another service, too."""

    caller: str
    target_id: str
    name: str


class SwitchTarget(msgspec.Struct, frozen=True):
    caller: str
    target_id: str
    enabled: bool


class DeleteTarget(msgspec.Struct, frozen=True):
    caller: str
    target_id: str


class ReportTarget(msgspec.Struct, frozen=True):
    """What the owner of the session ``video_id`` has seen of a target."""

    target_id: str
    video_id: str
    state: SimulcastState
    error: str | None


class OpenSession(msgspec.Struct, frozen=True):
    video_id: str


class CloseSession(msgspec.Struct, frozen=True):
    video_id: str


OwnersCommand = (
    ChangeStream | ChangeClipping | RotateKey | EnableStream | DisableStream | DeleteStream
)
TargetCommand = AddTarget | SwitchTarget | DeleteTarget
PlanCommand = OwnersPlanCommand | LeadersPlanCommand
SessionCommand = OpenSession | CloseSession
Command = CreateStream | OwnersCommand | TargetCommand | SessionCommand | ReportTarget | PlanCommand


def initial() -> LiveStream:
    """The state before the first event."""
    return LiveStream()


def decide(stream: LiveStream, command: Command) -> Sequence[Event]:  # noqa: PLR0911 - by its kind
    """The events that ``command`` causes; none if it changes nothing.

    Raises LiveStreamNotFound (also for another's stream), InvalidInput, StreamDisabled,
    SessionRunning.
    """
    if isinstance(command, CreateStream):
        return _create(stream, command)
    if isinstance(command, CloseSession):
        return _close(stream, command)
    if stream.owner is None or stream.deleted:
        raise LiveStreamNotFound
    if isinstance(command, OpenSession):
        return _open(stream, command)
    if isinstance(command, ReportTarget):
        return _report(stream, stream.owner, command)
    ids: dict[str, Any] = {"live_id": stream.id, "user_id": stream.owner}
    if isinstance(command, AnnouncePlan | MissPlan | MeetPlan):
        return planning.decide_for_leader(stream.plan, command, ids)
    if stream.owner != command.caller:
        raise LiveStreamNotFound
    if isinstance(command, SchedulePlan | CancelPlan):
        return planning.decide_for_owner(stream.plan, command, ids, _texts(stream.settings))
    if isinstance(command, AddTarget | SwitchTarget | DeleteTarget):
        return _decide_for_target(stream, stream.owner, command)
    return _decide_for_owner(stream, stream.owner, command)


def _report(stream: LiveStream, owner: str, command: ReportTarget) -> Sequence[Event]:
    if command.target_id not in stream.targets:
        return []
    values = msgspec.structs.asdict(command)
    return [SimulcastStateChanged(live_id=stream.id, user_id=owner, **values)]


def _decide_for_target(stream: LiveStream, owner: str, command: TargetCommand) -> Sequence[Event]:
    known = command.target_id in stream.targets
    ids = {"live_id": stream.id, "user_id": owner, "target_id": command.target_id}
    match command:
        case AddTarget():
            return [] if known else [SimulcastTargetAdded(**ids, name=command.name)]
        case SwitchTarget():
            switched = SimulcastTargetSwitched(**ids, enabled=command.enabled)
            return [switched] if known else []
        case DeleteTarget():
            return [SimulcastTargetDeleted(**ids)] if known else []


def _decide_for_owner(  # noqa: PLR0911 - one per command
    stream: LiveStream, owner: str, command: OwnersCommand
) -> Sequence[Event]:
    ids = {"live_id": stream.id, "user_id": owner}
    match command:
        case ChangeStream():
            settings = checked(_changed(stream.settings, command.changes))
            if settings == stream.settings:
                return []
            changed = LiveStreamChanged(**ids, **msgspec.structs.asdict(settings))
            return [changed, *planning.renamed(stream.plan, _texts(settings), ids)]
        case ChangeClipping(clips_by=clips_by):
            allowed = LiveClippingChanged(**ids, clips_by=clips_by)
            return [] if clips_by == stream.clips_by else [allowed]
        case RotateKey():
            return [StreamKeyRotated(**ids)]
        case EnableStream():
            return [LiveStreamEnabled(**ids)] if stream.disabled else []
        case DisableStream():
            return [] if stream.disabled else [LiveStreamDisabled(**ids)]
        case DeleteStream():
            return [*planning.cancelled(stream.plan, ids), LiveStreamDeleted(**ids)]


def _create(stream: LiveStream, command: CreateStream) -> Sequence[Event]:
    if stream.owner is not None:
        return []
    settings = checked(command.settings)
    ids = {"live_id": command.live_id, "user_id": command.caller}
    created = LiveStreamCreated(**ids, **msgspec.structs.asdict(settings))
    if command.schedule is None:
        return [created]
    texts = _texts(settings)
    return [created, *planning.decide_for_owner(None, command.schedule, ids, texts)]


def _open(stream: LiveStream, command: OpenSession) -> Sequence[Event]:
    if stream.disabled:
        raise StreamDisabled
    if stream.video_id == command.video_id:
        return []
    if stream.video_id is not None:
        raise SessionRunning
    return [
        LiveSessionOpened(live_id=stream.id, user_id=stream.owner or "", video_id=command.video_id)
    ]


def _close(stream: LiveStream, command: CloseSession) -> Sequence[Event]:
    if stream.video_id != command.video_id:
        return []
    return [
        LiveSessionClosed(live_id=stream.id, user_id=stream.owner or "", video_id=command.video_id)
    ]


def evolve(stream: LiveStream, event: Event) -> LiveStream:  # noqa: PLR0911 - one per event
    """The live stream after ``event``."""
    match event:
        case LiveStreamCreated():
            return LiveStream(id=event.live_id, owner=event.user_id, settings=_settings(event))
        case LiveStreamChanged():
            return msgspec.structs.replace(stream, settings=_settings(event))
        case LiveClippingChanged():
            return msgspec.structs.replace(stream, clips_by=event.clips_by)
        case SimulcastTargetAdded():
            return msgspec.structs.replace(stream, targets=stream.targets | {event.target_id})
        case SimulcastTargetDeleted():
            return msgspec.structs.replace(stream, targets=stream.targets - {event.target_id})
        case LiveStreamEnabled():
            return msgspec.structs.replace(stream, disabled=False)
        case LiveStreamDisabled():
            return msgspec.structs.replace(stream, disabled=True)
        case LiveStreamDeleted():
            return msgspec.structs.replace(stream, deleted=True)
        case LiveSessionOpened():
            sessions = (*stream.sessions, event.video_id)
            return msgspec.structs.replace(stream, video_id=event.video_id, sessions=sessions)
        case LiveSessionClosed():
            return msgspec.structs.replace(stream, video_id=None)
        case _:
            return msgspec.structs.replace(stream, plan=planning.evolve(stream.plan, event))


def checked(settings: LiveSettings) -> LiveSettings:
    """The settings, with cleaned texts. Raises InvalidInput."""
    if settings.visibility not in VISIBILITIES:
        raise _refused("visibility", f"must be one of {', '.join(VISIBILITIES)}")
    if not 0 <= settings.reconnect_seconds <= MAX_RECONNECT_SECONDS:
        raise _refused("reconnect_seconds", f"must be 0 to {MAX_RECONNECT_SECONDS}")
    return msgspec.structs.replace(
        settings,
        title=clean_title(settings.title),
        description=_clean("description", text_rules.clean_description, settings.description),
    )


def clean_title(title: str) -> str:
    """A title as it is stored. Raises InvalidInput."""
    return _clean("title", text_rules.clean_title, title)


def _changed(settings: LiveSettings, changes: dict[str, object]) -> LiveSettings:
    return msgspec.convert({**msgspec.structs.asdict(settings), **changes}, LiveSettings)


def _settings(event: LiveStreamCreated | LiveStreamChanged) -> LiveSettings:
    return LiveSettings(**{name: getattr(event, name) for name in LiveSettings.__struct_fields__})


def _texts(settings: LiveSettings) -> dict[str, Any]:
    """What viewers read of it before it begins."""
    return {name: getattr(settings, name) for name in ("title", "description", "visibility")}


def _clean(field: str, rule: Callable[[_Value], _Value], value: _Value) -> _Value:
    try:
        return rule(value)
    except RefusedText as refused:
        raise _refused(field, refused.problem) from None


def _refused(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"The {field} {problem}.", [Detail(field, problem)])
