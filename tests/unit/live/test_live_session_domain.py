"""One session's life: who may add to it, and what it remembers for the next owner."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.live.domain import session
from services.live.domain.session import (
    Command,
    Connect,
    Disconnect,
    End,
    Fenced,
    LastTrack,
    LiveSession,
    MakePoster,
    Publish,
    Reconnect,
    Record,
    SessionEnded,
)
from shared.contracts import (
    EncodedTrack,
    Event,
    LiveConnected,
    LiveDisconnected,
    LiveEnded,
    LivePosterMade,
    LivePublished,
    LiveReconnected,
    LiveRecorded,
    Segment,
    StoredObject,
)

AT = datetime(2030, 1, 2, tzinfo=UTC)
CONNECT = Connect(
    video_id="v",
    live_id="l",
    user_id="ann",
    protocol="rtmp",
    replica="r1",
    title="Bikes",
    description="",
    visibility="public",
    latency="low",
    record=True,
)
POSTER = LivePosterMade(
    video_id="v", poster_key="v/p.jpg", object=StoredObject(key="v/p.jpg", size=1, sha256="00")
)


def track(name: str, first: int, count: int) -> EncodedTrack:
    return EncodedTrack(
        name=name,
        timescale=1000,
        codecs="avc1",
        init_key=f"{name}/init",
        init_sha256="00",
        init_size=10,
        segments=tuple(
            Segment(index=first + at, start=2000 * (first + at), duration=2000, size=100)
            for at in range(count)
        ),
    )


def batch(epoch: int, first: int, count: int = 2, *, jump: bool = False) -> LivePublished:
    return LivePublished(
        video_id="v",
        epoch=epoch,
        first_segment=first,
        started_at=AT,
        tracks=(track("720p", first, count), track("sound", first, count)),
        jump=jump,
    )


def recorded() -> LiveRecorded:
    return LiveRecorded(
        video_id="v",
        playlist_key="v/m",
        dash_key="v/d",
        duration_ms=1,
        width=1,
        height=1,
        renditions=(),
        size=1,
    )


def run(*commands: Command) -> tuple[LiveSession, list[Event]]:
    state, events = session.initial(), []
    for command in commands:
        for event in session.decide(state, command):
            state = session.evolve(state, event)
            events.append(event)
    return state, events


RECONNECT = Reconnect(epoch=1, protocol="rtmp", replica="r2")
LOST = Disconnect(epoch=1, reason="lost", clean=False)


def test_a_session_from_its_first_publisher_to_its_video() -> None:
    state, events = run(
        CONNECT,
        Publish(batch(1, 0)),
        MakePoster(POSTER),
        LOST,
        RECONNECT,
        Publish(batch(2, 2, jump=True)),
        Disconnect(epoch=2, reason="left", clean=True),
        End("over", 7, 20),
        Record(recorded(), 4),
    )
    assert [type(event) for event in events] == [
        LiveConnected,
        LivePublished,
        LivePosterMade,
        LiveDisconnected,
        LiveReconnected,
        LivePublished,
        LiveDisconnected,
        LiveEnded,
        LiveRecorded,
    ]
    assert (state.phase, state.epoch, state.next_segment, state.jumps) == ("recorded", 2, 4, 1)
    ended = events[-2]
    assert isinstance(ended, LiveEnded)
    assert (ended.peak_viewers, ended.total_viewers) == (7, 20)
    assert state.size == 800
    assert state.started_at == AT


def test_a_takeover_learns_where_each_track_stands() -> None:
    state, _ = run(CONNECT, Publish(batch(1, 0, 3)))
    assert state.tracks == tuple(
        LastTrack(
            name=name,
            timescale=1000,
            codecs="avc1",
            init_key=f"{name}/init",
            init_sha256="00",
            init_size=10,
            next_segment=3,
            end=6000,
        )
        for name in ("720p", "sound")
    )


@pytest.mark.parametrize(
    ("commands", "late"),
    [
        ((CONNECT, RECONNECT), Publish(batch(1, 0))),
        ((CONNECT, RECONNECT), RECONNECT),
        ((CONNECT,), CONNECT),
        ((CONNECT, End("over"), Record(recorded(), 0)), Publish(batch(1, 0))),
        ((), Publish(batch(1, 0))),
        ((), RECONNECT),
        ((CONNECT, Publish(batch(1, 0)), End("over")), Record(recorded(), 0)),
        ((CONNECT,), Record(recorded(), 0)),
    ],
)
def test_what_comes_too_late_is_fenced(commands: Sequence[Command], late: Command) -> None:
    state, _ = run(*commands)
    with pytest.raises(Fenced):
        session.decide(state, late)


def test_an_ended_session_takes_no_publisher_but_the_owners_last_segments() -> None:
    state, events = run(CONNECT, Publish(batch(1, 0)), End("over"), Publish(batch(1, 2)))
    assert isinstance(events[-1], LivePublished)
    assert state.phase == "ended"
    with pytest.raises(SessionEnded):
        session.decide(state, RECONNECT)


@pytest.mark.parametrize(
    ("commands", "repeated"),
    [
        ((CONNECT, Publish(batch(1, 0))), Publish(batch(1, 0))),
        ((CONNECT, LOST), LOST),
        ((CONNECT, LOST, RECONNECT), LOST),
        ((CONNECT, End("over")), End("over")),
        ((CONNECT, End("over")), LOST),
        ((CONNECT, End("over"), Record(recorded(), 0)), Record(recorded(), 0)),
        ((CONNECT, MakePoster(POSTER)), MakePoster(POSTER)),
        ((), End("over")),
        ((), LOST),
        ((), MakePoster(POSTER)),
        ((CONNECT,), Publish(batch(1, 0, 0))),
    ],
)
def test_a_repetition_changes_nothing(commands: Sequence[Command], repeated: Command) -> None:
    state, _ = run(*commands)
    assert list(session.decide(state, repeated)) == []


COMMANDS = st.one_of(
    st.just(CONNECT),
    st.builds(Reconnect, epoch=st.integers(0, 4), protocol=st.just("rtmp"), replica=st.just("r")),
    st.builds(
        lambda epoch, first, count: Publish(batch(epoch, first, count)),
        st.integers(0, 4),
        st.integers(0, 6),
        st.integers(0, 2),
    ),
    st.builds(Disconnect, epoch=st.integers(0, 4), reason=st.just("x"), clean=st.booleans()),
    st.builds(End, st.just("over")),
    st.builds(Record, st.just(recorded()), st.integers(0, 6)),
)


@given(st.lists(COMMANDS, max_size=40))
def test_whatever_comes_epochs_rise_and_no_segment_is_named_twice(commands: list[Command]) -> None:
    state, epoch, named, ended, done = session.initial(), 0, 0, False, False
    for command in commands:
        try:
            events = session.decide(state, command)
        except (Fenced, SessionEnded):
            continue
        for event in events:
            assert not done
            match event:
                case LiveConnected() | LiveReconnected():
                    assert event.epoch == epoch + 1
                    assert not ended
                    epoch = event.epoch
                case LivePublished():
                    assert event.epoch == epoch
                    assert event.first_segment >= named
                    named = event.first_segment + len(event.tracks[0].segments)
                case LiveEnded():
                    assert not ended
                    ended = True
                case LiveRecorded():
                    assert ended
                    done = True
                case _:
                    pass
            state = session.evolve(state, event)
        assert state.next_segment == named
