"""What the leader does for running sessions, on the real log and the real tables."""

from shared.contracts import LiveEnded, LiveRecorded
from tests.integration.live.harness import OBS, Live, batch, types


async def test_a_session_outlives_its_owner(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.two.settling.round()
    assert await types(live, session) == ["LiveConnected", "LivePublished"]
    await live.age(6.1)
    await live.two.rounds(7)
    assert (await types(live, session))[-1] == "LiveDisconnected"
    assert await live.status(live_id) == "disconnected"
    taken = await live.two.sessions.connect(key, OBS)
    assert (taken.epoch, taken.next_segment, taken.tracks[0].end) == (2, 2, 4000)
    await live.two.settling.round()
    assert (await types(live, session))[-1] == "LiveReconnected"
    assert await live.status(live_id) == "active"


async def test_an_owner_that_only_the_database_had_lost_goes_on(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.age(6.1)
    await live.two.rounds(7)
    assert await live.status(live_id) == "disconnected"
    # Media of before: the owner is heard of again, and what it got last came before it was missed.
    await live.one.sessions.alive(session, sending=False)
    await live.age(20)
    await live.two.rounds(3)
    assert (await types(live, session))[-1] == "LiveDisconnected"
    await live.one.sessions.alive(session, sending=True)
    await live.two.rounds(2)
    assert (await types(live, session))[-1] == "LiveReconnected"
    assert await live.status(live_id) == "active"
    await live.one.sessions.published(session, batch(session.video_id, 1, 2))
    assert (await types(live, session))[-1] == "LivePublished"


async def test_hundreds_of_older_sessions_keep_none_waiting(live: Live) -> None:
    older = """
        insert into live.sessions (video_id, live_id, user_id, title, opened_at, beat_at)
        select gen_random_uuid(), gen_random_uuid(), 'bob', '', clock_timestamp() - interval '1 h',
            clock_timestamp() + $1 * interval '1 s' from generate_series(1, 600)
    """
    _, key = await live.stream(reconnect_seconds=30)
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.one.sessions.disconnected(session, "lost", clean=False)
    await live.age(31)
    await live.execute(older, 3600.0)
    await live.two.settling.round()
    assert "LiveEnded" in await types(live, session)


async def test_a_session_to_which_nobody_comes_back_ends_by_itself(live: Live) -> None:
    _, key = await live.stream(reconnect_seconds=30)
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.one.sessions.disconnected(session, "lost", clean=False)
    await live.two.settling.round()
    assert (await types(live, session))[-1] == "LiveDisconnected"
    await live.age(31)
    live.two.recorder.fenced = 1
    await live.two.settling.round()
    await live.two.finishing.round()
    assert (await types(live, session))[-1] == "LiveEnded"
    await live.two.finishing.round()
    assert (await types(live, session))[-2:] == ["LiveEnded", "LiveRecorded"]


async def test_a_session_that_no_publisher_reached_is_closed(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.one.streams.complete("ann", live_id)
    await live.one.sessions._open((await live.one.streams._own("ann", live_id))[0])
    await live.two.settling.round()
    await live.age(61)
    await live.two.settling.round()
    assert (await live.one.events.stream(live_id)).video_id is None
    assert await live.one.events.stream(live_id) != session


async def test_a_live_ends_after_the_hours_that_it_may_last(live: Live) -> None:
    _, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    hours = "opened_at - make_interval(secs => $1)"
    await live.execute(f"update live.sessions set opened_at = {hours}", 12 * 3600 - 60.0)
    await live.two.settling.round()
    assert await live.one.sessions.alive(session, sending=True) is None
    await live.execute(f"update live.sessions set opened_at = {hours}", 61.0)
    await live.two.settling.round()
    closing = await live.one.sessions.alive(session, sending=True)
    assert closing == "It lasted 12 hours, which is as long as a live may be."


async def test_what_ended_long_ago_is_not_remembered(live: Live) -> None:
    live_id, key = await live.stream()
    for _ in range(3):
        session = await live.one.sessions.connect(key, OBS)
        await live.two.settling.round()
        async with live.client() as client:
            await client.post(f"/api/v1/live/streams/{live_id}/complete")
        await live.one.sessions.disconnected(session, "ended", clean=True)
    assert len(live.two.settling._allowances._looked) == 1
    await live.two.settling.round()
    assert not live.two.settling._allowances._looked


async def test_a_live_that_fills_its_account_ends_and_says_why(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    reason = "The account has used its stored bytes: 1 GiB used, 1 GiB allowed."
    live.two.accounts.full["ann"] = reason
    await live.two.settling.round()
    assert await live.one.sessions.alive(session, sending=True) == reason
    await live.one.sessions.published(session, batch(session.video_id, 1, 2))
    await live.one.sessions.disconnected(session, reason, clean=True)
    await live.two.finishing.round()
    history = await live.one.sessions.history(session.video_id)
    assert [event.reason for event in history if isinstance(event, LiveEnded)] == [reason]
    assert isinstance(history[-1], LiveRecorded)
    async with live.client() as client:
        answer = await client.get(f"/api/v1/live/streams/{live_id}/sessions")
        assert answer.json()["data"][0]["end_reason"] == reason
        answer = await client.get(f"/api/v1/live/streams/{live_id}/health")
        assert answer.json()["data"]["end_reason"] == reason
