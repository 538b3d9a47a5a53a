"""Who may clip a stream's lives, and where they are sent on to: events, command, events."""

from collections.abc import Sequence

import pytest

from services.live.domain import stream
from services.live.domain.stream import (
    AddTarget,
    ChangeClipping,
    Command,
    DeleteTarget,
    LiveStreamNotFound,
    ReportTarget,
    SwitchTarget,
)
from shared.contracts import (
    Event,
    LiveClippingChanged,
    LiveStreamCreated,
    LiveStreamDeleted,
    SimulcastStateChanged,
    SimulcastTargetAdded,
    SimulcastTargetDeleted,
    SimulcastTargetSwitched,
)

CREATED = LiveStreamCreated(
    live_id="l",
    user_id="ann",
    title="Bikes",
    description="",
    visibility="public",
    latency="low",
    record=True,
)
ADDED = SimulcastTargetAdded(live_id="l", user_id="ann", target_id="t", name="Other")
SWITCHED = SimulcastTargetSwitched(live_id="l", user_id="ann", target_id="t", enabled=False)
REMOVED = SimulcastTargetDeleted(live_id="l", user_id="ann", target_id="t")
LOST = SimulcastStateChanged(
    live_id="l", user_id="ann", target_id="t", video_id="v", state="retrying", error="Lost."
)
EVERYONE = LiveClippingChanged(live_id="l", user_id="ann", clips_by="everyone")
REPORT = ReportTarget("t", "v", "retrying", "Lost.")


def decided(given: Sequence[Event], command: Command) -> list[Event]:
    state = stream.initial()
    for event in given:
        state = stream.evolve(state, event)
    return list(stream.decide(state, command))


@pytest.mark.parametrize(
    ("given", "command", "then"),
    [
        ([CREATED], ChangeClipping("ann", "everyone"), [EVERYONE]),
        ([CREATED], ChangeClipping("ann", "owner"), []),
        ([CREATED, EVERYONE], ChangeClipping("ann", "everyone"), []),
        ([CREATED], AddTarget("ann", "t", "Other"), [ADDED]),
        # A repetition, whose first try was appended.
        ([CREATED, ADDED], AddTarget("ann", "t", "Other"), []),
        ([CREATED, ADDED], SwitchTarget("ann", "t", enabled=False), [SWITCHED]),
        ([CREATED], SwitchTarget("ann", "t", enabled=False), []),
        ([CREATED, ADDED], DeleteTarget("ann", "t"), [REMOVED]),
        ([CREATED, ADDED, REMOVED], DeleteTarget("ann", "t"), []),
        ([CREATED, ADDED], REPORT, [LOST]),
        # What a replica still says of a target that is gone is no news.
        ([CREATED, ADDED, REMOVED], REPORT, []),
    ],
)
def test_a_command_leads_to_events(
    given: Sequence[Event], command: Command, then: list[Event]
) -> None:
    assert decided(given, command) == then


@pytest.mark.parametrize(
    "command",
    [
        ChangeClipping("bob", "everyone"),
        AddTarget("bob", "t", "Other"),
        SwitchTarget("bob", "t", enabled=True),
        DeleteTarget("bob", "t"),
    ],
)
def test_only_the_owner_of_a_stream_that_is_there_may(command: Command) -> None:
    with pytest.raises(LiveStreamNotFound):
        decided([CREATED, ADDED], command)
    deleted = LiveStreamDeleted(live_id="l", user_id="bob")
    with pytest.raises(LiveStreamNotFound):
        decided([CREATED, deleted], command)
    with pytest.raises(LiveStreamNotFound):
        decided([CREATED, deleted], REPORT)
