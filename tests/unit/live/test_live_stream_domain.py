"""A live stream's life: given events, when a command, then events."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.live.domain import stream
from services.live.domain.stream import (
    ChangeStream,
    CloseSession,
    Command,
    CreateStream,
    DeleteStream,
    DisableStream,
    EnableStream,
    LiveSettings,
    LiveStream,
    LiveStreamNotFound,
    OpenSession,
    RotateKey,
    SessionRunning,
    StreamDisabled,
)
from shared.contracts import (
    Event,
    LiveSessionClosed,
    LiveSessionOpened,
    LiveStreamChanged,
    LiveStreamCreated,
    LiveStreamDeleted,
    LiveStreamDisabled,
    LiveStreamEnabled,
    StreamKeyRotated,
)
from shared.errors import CinelogError, InvalidInput

CREATED = LiveStreamCreated(
    live_id="l",
    user_id="ann",
    title="Bikes",
    description="",
    visibility="public",
    latency="low",
    record=True,
    reconnect_seconds=60,
)
DISABLED = LiveStreamDisabled(live_id="l", user_id="ann")
ENABLED = LiveStreamEnabled(live_id="l", user_id="ann")
DELETED = LiveStreamDeleted(live_id="l", user_id="ann")
OPENED = LiveSessionOpened(live_id="l", user_id="ann", video_id="v")
CLOSED = LiveSessionClosed(live_id="l", user_id="ann", video_id="v")


def after(events: Sequence[Event]) -> LiveStream:
    state = stream.initial()
    for event in events:
        state = stream.evolve(state, event)
    return state


def when(events: Sequence[Event], command: Command) -> list[Event]:
    return list(stream.decide(after(events), command))


@pytest.mark.parametrize(
    ("given_events", "command", "then"),
    [
        ((), CreateStream("l", "ann", LiveSettings(title=" Bikes ")), [CREATED]),
        ((CREATED,), CreateStream("l", "ann", LiveSettings(title="Other")), []),
        ((CREATED,), ChangeStream("ann", {}), []),
        ((CREATED,), ChangeStream("ann", {"title": "Bikes"}), []),
        ((CREATED,), RotateKey("ann"), [StreamKeyRotated(live_id="l", user_id="ann")]),
        ((CREATED,), DisableStream("ann"), [DISABLED]),
        ((CREATED, DISABLED), DisableStream("ann"), []),
        ((CREATED, DISABLED), EnableStream("ann"), [ENABLED]),
        ((CREATED,), EnableStream("ann"), []),
        ((CREATED,), DeleteStream("ann"), [DELETED]),
        ((CREATED,), OpenSession("v"), [OPENED]),
        ((CREATED, OPENED), OpenSession("v"), []),
        ((CREATED, OPENED), CloseSession("v"), [CLOSED]),
        ((CREATED, OPENED), CloseSession("w"), []),
        ((CREATED, OPENED, CLOSED), CloseSession("v"), []),
        (
            (CREATED, OPENED, CLOSED),
            OpenSession("v2"),
            [LiveSessionOpened(live_id="l", user_id="ann", video_id="v2")],
        ),
        ((CREATED, OPENED, DELETED), CloseSession("v"), [CLOSED]),
    ],
)
def test_a_command_has_its_events(
    given_events: Sequence[Event], command: Command, then: list[Event]
) -> None:
    assert when(given_events, command) == then


def test_a_change_names_all_settings() -> None:
    (changed,) = when((CREATED,), ChangeStream("ann", {"latency": "standard", "record": False}))
    assert changed == LiveStreamChanged(
        live_id="l",
        user_id="ann",
        title="Bikes",
        description="",
        visibility="public",
        latency="standard",
        record=False,
        reconnect_seconds=60,
    )
    assert after((CREATED, changed)).settings.latency == "standard"


@pytest.mark.parametrize(
    ("given_events", "command", "error"),
    [
        ((), RotateKey("ann"), LiveStreamNotFound),
        ((), OpenSession("v"), LiveStreamNotFound),
        ((CREATED,), RotateKey("bob"), LiveStreamNotFound),
        ((CREATED,), DeleteStream("bob"), LiveStreamNotFound),
        ((CREATED, DELETED), DeleteStream("ann"), LiveStreamNotFound),
        ((CREATED, DELETED), OpenSession("v"), LiveStreamNotFound),
        ((CREATED, DISABLED), OpenSession("v"), StreamDisabled),
        ((CREATED, OPENED), OpenSession("w"), SessionRunning),
        ((), CreateStream("l", "ann", LiveSettings(title="")), InvalidInput),
        ((), CreateStream("l", "ann", LiveSettings(title="a\x00")), InvalidInput),
        ((), CreateStream("l", "ann", LiveSettings(title="a", visibility="draft")), InvalidInput),
        ((CREATED,), ChangeStream("ann", {"reconnect_seconds": 1801}), InvalidInput),
        ((CREATED,), ChangeStream("ann", {"reconnect_seconds": -1}), InvalidInput),
        ((CREATED,), ChangeStream("ann", {"description": "x" * 5001}), InvalidInput),
    ],
)
def test_a_command_is_refused(
    given_events: Sequence[Event], command: Command, error: type[Exception]
) -> None:
    with pytest.raises(error):
        when(given_events, command)


COMMANDS = st.one_of(
    st.builds(CreateStream, st.just("l"), st.just("ann"), st.just(LiveSettings(title="Bikes"))),
    st.builds(RotateKey, st.sampled_from(["ann", "bob"])),
    st.builds(EnableStream, st.sampled_from(["ann", "bob"])),
    st.builds(DisableStream, st.sampled_from(["ann", "bob"])),
    st.builds(DeleteStream, st.sampled_from(["ann", "bob"])),
    st.builds(OpenSession, st.sampled_from(["v", "w"])),
    st.builds(CloseSession, st.sampled_from(["v", "w"])),
)


@given(st.lists(COMMANDS, max_size=30))
def test_whatever_is_asked_no_two_sessions_are_open_and_a_deleted_stream_opens_none(
    commands: list[Command],
) -> None:
    events: list[Event] = []
    for command in commands:
        try:
            events += when(events, command)
        except CinelogError:
            continue
    open_sessions: list[str] = []
    disabled = deleted = False
    for event in events:
        match event:
            case LiveSessionOpened():
                assert not open_sessions
                assert not disabled
                assert not deleted
                open_sessions.append(event.video_id)
            case LiveSessionClosed():
                open_sessions.remove(event.video_id)
            case LiveStreamDisabled():
                assert not disabled
                disabled = True
            case LiveStreamEnabled():
                assert disabled
                disabled = False
            case LiveStreamDeleted():
                assert not deleted
                deleted = True
            case _:
                pass
