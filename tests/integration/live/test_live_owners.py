"""Who owns a session after an outage, a failed takeover, or a report that comes late."""

import pytest

from services.live.domain.session import Fenced
from services.live.ports import Refused, Session
from tests.integration.live.harness import OBS, Live, batch


async def connected(live: Live) -> tuple[str, str, Session]:
    """A live stream, its key, and a session that replica one owns."""
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    return live_id, key, session


async def last(live: Live, session: Session) -> str:
    return type((await live.one.sessions.history(session.video_id))[-1]).__name__


async def refused(live: Live, key: str) -> str:
    """How replica two refuses a publisher."""
    with pytest.raises(Refused) as refused:
        await live.two.sessions.connect(key, OBS)
    return refused.value.code


async def outage(live: Live) -> None:
    """The database was away for a minute, for owners and leader."""
    await live.two.rounds(3)
    await live.age(60)
    live.two.now += 60
    await live.two.rounds(2)


async def test_an_owner_that_lives_is_not_lost_after_an_outage(live: Live) -> None:
    live_id, _, session = await connected(live)
    await outage(live)
    await live.one.sessions.alive(session, sending=True)
    await live.two.rounds(10)
    assert await last(live, session) == "LivePublished"
    assert await live.status(live_id) == "active"


async def test_an_owner_that_is_quiet_after_an_outage_is_lost(live: Live) -> None:
    live_id, _, session = await connected(live)
    await outage(live)
    await live.two.rounds(5)
    assert await last(live, session) == "LiveDisconnected"
    assert await live.status(live_id) == "disconnected"


async def test_an_owner_that_was_lost_and_lives_holds_its_session(live: Live) -> None:
    live_id, key, session = await connected(live)
    await live.age(6.1)
    await live.two.rounds(7)
    assert await last(live, session) == "LiveDisconnected"
    await live.one.sessions.alive(session, sending=True)
    assert await live.status(live_id) == "active"
    assert await refused(live, key) == "already_live"


async def test_an_owner_adds_its_last_segments_after_an_outage(live: Live) -> None:
    live_id, _, session = await connected(live)
    await live.one.streams.complete("ann", live_id)
    await outage(live)
    await live.one.sessions.published(session, batch(session.video_id, 1, 2))
    await live.one.sessions.disconnected(session, "ended", clean=True)
    await live.two.rounds(1)
    assert await last(live, session) == "LiveRecorded"


async def test_what_a_dead_owner_has_left_becomes_a_video(live: Live) -> None:
    live_id, _, session = await connected(live)
    await live.one.streams.complete("ann", live_id)
    await live.age(6.1)
    await live.two.rounds(7)
    assert await last(live, session) == "LiveRecorded"


async def test_a_takeover_that_fails_takes_nothing_from_the_owner(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_id, key, session = await connected(live)

    async def away(*_: object) -> None:
        raise ConnectionError("no answer")

    # Its publisher was silent for a moment.
    await live.age(3.1)
    with monkeypatch.context() as patched:
        patched.setattr(live.two.events, "decide_session", away)
        assert await refused(live, key) == "unavailable"
    await live.one.sessions.alive(session, sending=True)
    assert await live.two.sessions.owner(session.video_id) == "http://one:8000"
    assert await live.status(live_id) == "active"
    assert await refused(live, key) == "already_live"


async def test_an_owner_that_reports_during_a_takeover_changes_nothing_of_it(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_id, key, session = await connected(live)
    await live.age(3.1)
    take = live.two.sessions._take

    async def reported_meanwhile(*values: object) -> object:
        await live.one.sessions.alive(session, sending=False)
        return await take(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(live.two.sessions, "_take", reported_meanwhile)
    taken = await live.two.sessions.connect(key, OBS)
    assert await live.one.sessions.owner(taken.video_id) == "http://two:8000"
    assert await live.status(live_id) == "active"


@pytest.mark.parametrize("ends", ["after", "before"])
async def test_a_report_that_comes_after_the_publishers_end_holds_nothing_up(
    live: Live, ends: str
) -> None:
    live_id, _, session = await connected(live)
    sessions = live.one.sessions
    await sessions.disconnected(session, "unpublished", clean=True)
    await sessions.alive(session, sending=True)
    if ends == "after":
        await sessions.alive(session, sending=False, settled=True)
        assert await live.status(live_id) == "disconnected"
    await live.one.streams.complete("ann", live_id)
    with pytest.raises(Fenced):
        await sessions.alive(session, sending=False, settled=True)
    if ends == "before":
        await live.age(6.1)
    await live.two.rounds(1 if ends == "after" else 7)
    assert await last(live, session) == "LiveRecorded"


async def test_a_clock_that_is_set_back_holds_no_stream(live: Live) -> None:
    """As after a power loss, on a machine whose clock does not outlive it."""
    live_id, key, session = await connected(live)
    await live.age(-86400)
    await live.two.rounds(8)
    assert await last(live, session) in {"LiveDisconnected", "LiveEnded", "LiveRecorded"}
    assert await live.status(live_id) != "active"
    await live.two.rounds(8)
    events = [type(each).__name__ for each in await live.one.sessions.history(session.video_id)]
    assert events.count("LiveDisconnected") == 1
    assert "LiveEnded" in events
    await live.two.sessions.connect(key, OBS)
