"""The decider of a planned live: the time, and the page, of a stream's next session. Pure.

A stream has one at a time. A session that runs from ``SOON`` before its time on is the planned one;
earlier ones, such as tests of the equipment, are not.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from shared import publication
from shared.contracts import (
    Event,
    LiveRescheduled,
    LiveScheduleCancelled,
    LiveScheduled,
    LiveScheduleMet,
    LiveStartsSoon,
    Visibility,
)
from shared.errors import Detail, InvalidInput
from shared.publication import LONGEST_WAIT
from shared.text_rules import RefusedText

SOON: Final = timedelta(minutes=15)
"""So long before its time it is announced, and a session that runs is the planned one."""

MISSED: Final = timedelta(hours=3)
"""So long after its time a live that has not begun is cancelled."""

PlanState = Literal["planned", "begun", "cancelled"]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What viewers read of a planned live; all but the time is the stream's."""

    scheduled_at: datetime
    title: str
    description: str
    visibility: Visibility


class Plan(Shown, frozen=True, kw_only=True):
    """A planned live, folded from its events. ``revision`` counts them; ``announced`` is for its
    present time; ``video_id`` is the session's that met it."""

    id: str
    state: PlanState = "planned"
    announced: bool = False
    video_id: str | None = None
    revision: int = 1


class SchedulePlan(msgspec.Struct, frozen=True):
    """Give the next live a time, or another one. ``plan_id``: of a new plan, where there is none.
    The owner's command."""

    caller: str
    plan_id: str
    scheduled_at: datetime
    now: datetime


class CancelPlan(msgspec.Struct, frozen=True):
    """The owner's command."""

    caller: str


class AnnouncePlan(msgspec.Struct, frozen=True):
    """The leader's command, like those below."""

    plan_id: str
    now: datetime


class MissPlan(msgspec.Struct, frozen=True):
    plan_id: str
    now: datetime


class MeetPlan(msgspec.Struct, frozen=True):
    """The session ``video_id`` runs."""

    plan_id: str
    video_id: str
    now: datetime


OwnersPlanCommand = SchedulePlan | CancelPlan
LeadersPlanCommand = AnnouncePlan | MissPlan | MeetPlan


def checked_time(scheduled_at: datetime, now: datetime) -> datetime:
    """The time in UTC. Raises InvalidInput where no live can be planned for it."""
    try:
        moment = publication.utc(scheduled_at)
    except RefusedText as refused:
        raise _refused(refused.problem) from None
    if moment <= now:
        raise _refused("must be in the future")
    if moment - now > LONGEST_WAIT:
        raise _refused(f"must be within {LONGEST_WAIT.days} days")
    return moment


def decide_for_owner(
    plan: Plan | None, command: OwnersPlanCommand, ids: dict[str, Any], texts: dict[str, Any]
) -> Sequence[Event]:
    """``ids``: the stream's id and its owner's. ``texts``: its title, description, visibility.

    Raises InvalidInput.
    """
    if isinstance(command, CancelPlan):
        return cancelled(plan, ids)
    if plan is None or plan.state != "planned":
        moment = checked_time(command.scheduled_at, command.now)
        planned = Shown(scheduled_at=moment, **texts)
        return [scheduled(command.plan_id, planned, ids)]
    if command.scheduled_at == plan.scheduled_at:
        return []
    moment = checked_time(command.scheduled_at, command.now)
    return _rescheduled(plan, Shown(scheduled_at=moment, **texts), ids)


def decide_for_leader(
    plan: Plan | None, command: LeadersPlanCommand, ids: dict[str, Any]
) -> Sequence[Event]:
    """None for a plan that is over, or has another time by now."""
    if plan is None or plan.state != "planned" or plan.id != command.plan_id:
        return []
    due = command.now >= plan.scheduled_at - SOON
    match command:
        case AnnouncePlan():
            soon = LiveStartsSoon(
                **ids, planned_id=plan.id, scheduled_at=plan.scheduled_at, title=plan.title
            )
            return [soon] if due and not plan.announced else []
        case MissPlan():
            missed = LiveScheduleCancelled(**ids, planned_id=plan.id, missed=True)
            return [missed] if command.now >= plan.scheduled_at + MISSED else []
        case MeetPlan():
            met = LiveScheduleMet(**ids, planned_id=plan.id, video_id=command.video_id)
            return [met] if due else []


def scheduled(plan_id: str, shown: Shown, ids: dict[str, Any]) -> Event:
    """A new plan."""
    return LiveScheduled(**ids, planned_id=plan_id, **_values(shown))


def renamed(plan: Plan | None, texts: dict[str, Any], ids: dict[str, Any]) -> Sequence[Event]:
    """What follows for a plan from other texts of its stream."""
    if plan is None or plan.state != "planned":
        return []
    return _rescheduled(plan, Shown(scheduled_at=plan.scheduled_at, **texts), ids)


def cancelled(plan: Plan | None, ids: dict[str, Any]) -> Sequence[Event]:
    """Its owner does not want it any more."""
    if plan is None or plan.state != "planned":
        return []
    return [LiveScheduleCancelled(**ids, planned_id=plan.id)]


def evolve(plan: Plan | None, event: Event) -> Plan | None:  # noqa: PLR0911 - one per event
    """The plan after ``event``, whichever of its stream's that is."""
    if isinstance(event, LiveScheduled):
        return Plan(id=event.planned_id, **_values(event))
    if plan is None:
        return None
    revision = plan.revision + 1
    replace = msgspec.structs.replace
    match event:
        case LiveRescheduled():
            announced = plan.announced and event.scheduled_at == plan.scheduled_at
            return replace(plan, announced=announced, revision=revision, **_values(event))
        case LiveStartsSoon():
            return replace(plan, announced=True, revision=revision)
        case LiveScheduleMet():
            return replace(plan, state="begun", video_id=event.video_id, revision=revision)
        case LiveScheduleCancelled():
            return replace(plan, state="cancelled", revision=revision)
        case _:
            return plan


def _rescheduled(plan: Plan, shown: Shown, ids: dict[str, Any]) -> Sequence[Event]:
    if _values(shown) == _values(plan):
        return []
    return [LiveRescheduled(**ids, planned_id=plan.id, **_values(shown))]


def _values(shown: Shown | LiveScheduled | LiveRescheduled) -> dict[str, Any]:
    return {name: getattr(shown, name) for name in Shown.__struct_fields__}


def _refused(problem: str) -> InvalidInput:
    return InvalidInput(f"The scheduled_at {problem}.", [Detail("scheduled_at", problem)])
