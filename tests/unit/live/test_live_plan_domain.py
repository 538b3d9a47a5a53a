"""A planned live: given events, when a command, then events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from services.live.domain import stream
from services.live.domain.plan import (
    MISSED,
    SOON,
    AnnouncePlan,
    CancelPlan,
    MeetPlan,
    MissPlan,
    SchedulePlan,
)
from services.live.domain.stream import (
    ChangeStream,
    Command,
    CreateStream,
    DeleteStream,
    LiveSettings,
    LiveStreamNotFound,
)
from shared.contracts import (
    Event,
    LiveRescheduled,
    LiveScheduleCancelled,
    LiveScheduled,
    LiveScheduleMet,
    LiveStartsSoon,
    LiveStreamChanged,
    LiveStreamCreated,
    LiveStreamDeleted,
)
from shared.errors import InvalidInput

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
AT = NOW + timedelta(days=1)
LATER = AT + timedelta(hours=2)
IDS: dict[str, Any] = {"live_id": "l", "user_id": "ann"}
SETTINGS: dict[str, Any] = {"title": "Bikes", "description": "", "visibility": "public"}
CREATED = LiveStreamCreated(**IDS, **SETTINGS, latency="low", record=True)
PLANNED = LiveScheduled(**IDS, planned_id="p", scheduled_at=AT, **SETTINGS)
MOVED = LiveRescheduled(**IDS, planned_id="p", scheduled_at=LATER, **SETTINGS)
SOON_TOLD = LiveStartsSoon(**IDS, planned_id="p", scheduled_at=AT, title="Bikes")
MET = LiveScheduleMet(**IDS, planned_id="p", video_id="v")
CANCELLED = LiveScheduleCancelled(**IDS, planned_id="p")
GIVEN_UP = LiveScheduleCancelled(**IDS, planned_id="p", missed=True)
DELETED = LiveStreamDeleted(**IDS)
RENAMED: dict[str, Any] = {**SETTINGS, "title": "Cars"}


def schedule(at: datetime, plan_id: str = "p", now: datetime = NOW) -> SchedulePlan:
    return SchedulePlan("ann", plan_id, at, now)


def decided(given: Sequence[Event], command: Command) -> list[Event]:
    state = stream.initial()
    for event in given:
        state = stream.evolve(state, event)
    return list(stream.decide(state, command))


@pytest.mark.parametrize(
    ("given", "command", "then"),
    [
        (
            [],
            CreateStream("l", "ann", LiveSettings(title="Bikes"), schedule(AT)),
            [CREATED, PLANNED],
        ),
        ([CREATED], schedule(AT), [PLANNED]),
        ([CREATED, PLANNED], schedule(AT, "other"), []),
        ([CREATED, PLANNED], schedule(LATER, "other"), [MOVED]),
        ([CREATED, PLANNED, CANCELLED], schedule(AT), [PLANNED]),
        ([CREATED, PLANNED, MET], schedule(AT), [PLANNED]),
        ([CREATED], CancelPlan("ann"), []),
        ([CREATED, PLANNED], CancelPlan("ann"), [CANCELLED]),
        ([CREATED, PLANNED, CANCELLED], CancelPlan("ann"), []),
        ([CREATED, PLANNED, MET], CancelPlan("ann"), []),
        ([CREATED, PLANNED], DeleteStream("ann"), [CANCELLED, DELETED]),
        ([CREATED, PLANNED, MET], DeleteStream("ann"), [DELETED]),
        # The page says what the stream says.
        (
            [CREATED, PLANNED],
            ChangeStream("ann", {"title": "Cars"}),
            [
                LiveStreamChanged(**IDS, **RENAMED, latency="low", record=True),
                LiveRescheduled(**IDS, planned_id="p", scheduled_at=AT, **RENAMED),
            ],
        ),
        (
            [CREATED, PLANNED],
            ChangeStream("ann", {"chat": False}),
            [LiveStreamChanged(**IDS, **SETTINGS, latency="low", record=True, chat=False)],
        ),
        # Once, and again for another time.
        ([CREATED, PLANNED], AnnouncePlan("p", AT - SOON), [SOON_TOLD]),
        ([CREATED, PLANNED], AnnouncePlan("p", AT - SOON - timedelta(seconds=1)), []),
        ([CREATED, PLANNED, SOON_TOLD], AnnouncePlan("p", AT), []),
        ([CREATED, PLANNED, SOON_TOLD, MOVED], AnnouncePlan("p", AT), []),
        (
            [CREATED, PLANNED, SOON_TOLD, MOVED],
            AnnouncePlan("p", LATER),
            [LiveStartsSoon(**IDS, planned_id="p", scheduled_at=LATER, title="Bikes")],
        ),
        ([CREATED, PLANNED, CANCELLED], AnnouncePlan("p", AT), []),
        ([CREATED], AnnouncePlan("p", AT), []),
        # A session long before its time is another one.
        ([CREATED, PLANNED], MeetPlan("p", "v", AT - SOON - timedelta(seconds=1)), []),
        ([CREATED, PLANNED], MeetPlan("p", "v", AT - SOON), [MET]),
        ([CREATED, PLANNED, MET], MeetPlan("p", "w", AT), []),
        ([CREATED, PLANNED], MeetPlan("other", "v", AT), []),
        ([CREATED, PLANNED], MissPlan("p", AT + MISSED - timedelta(seconds=1)), []),
        ([CREATED, PLANNED], MissPlan("p", AT + MISSED), [GIVEN_UP]),
        ([CREATED, PLANNED, MET], MissPlan("p", AT + MISSED), []),
    ],
)
def test_decisions(given: list[Event], command: Command, then: list[Event]) -> None:
    assert decided(given, command) == then


def test_times_are_kept_in_utc() -> None:
    local = AT.astimezone(timezone(timedelta(hours=5)))
    (event,) = decided([CREATED], schedule(local))
    assert isinstance(event, LiveScheduled)
    assert event.scheduled_at.utcoffset() == timedelta()


@pytest.mark.parametrize("at", [NOW, NOW - timedelta(days=1), NOW + timedelta(days=366, seconds=1)])
@pytest.mark.parametrize("given", [[CREATED], [CREATED, PLANNED]])
def test_times_that_no_live_has(given: list[Event], at: datetime) -> None:
    with pytest.raises(InvalidInput):
        decided(given, schedule(at))


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ([], schedule(AT)),
        ([CREATED, DELETED], schedule(AT)),
        ([CREATED], SchedulePlan("bob", "p", AT, NOW)),
        ([CREATED, PLANNED], CancelPlan("bob")),
        ([CREATED, PLANNED, CANCELLED, DELETED], AnnouncePlan("p", AT)),
    ],
)
def test_others_streams_are_not_found(given: list[Event], command: Command) -> None:
    with pytest.raises(LiveStreamNotFound):
        decided(given, command)


def test_a_late_plan_keeps_its_time_when_its_title_changes() -> None:
    late = schedule(AT, now=AT + timedelta(hours=1))
    assert decided([CREATED, PLANNED], late) == []
