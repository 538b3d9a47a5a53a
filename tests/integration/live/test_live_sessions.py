"""Publishers, takeovers and ends, on the real log and the real tables."""

import asyncio

import pytest

from services.live.domain.session import Fenced
from services.live.ports import Credential, Health, OwnStream, Refused, Session
from shared.contracts import LiveEnded, LiveRecorded, UserDeleted, VideoDeleted, new_id, stream_id
from tests.integration.live.harness import OBS, Live, Replicated, batch, types
from tests.support.databases import Database


async def refusal(replica: Replicated, credential: Credential) -> str:
    with pytest.raises(Refused) as refused:
        await replica.sessions.connect(credential, OBS)
    return refused.value.code


async def test_a_publisher_makes_a_session_and_its_end_a_video(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    assert (session.epoch, session.next_segment, session.tracks) == (1, 0, ())
    assert await live.status(live_id) == "active"
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    health = Health(width=1280, bit_rate=4_000_000, video_codec="h264")
    assert await live.one.sessions.alive(session, sending=True, health=health) is None
    async with live.client() as client:
        answer = await client.get(f"/api/v1/live/streams/{live_id}/health")
        assert answer.json()["data"]["bit_rate"] == 4_000_000
        answer = await client.post(f"/api/v1/live/streams/{live_id}/complete")
        assert answer.json()["data"]["status"] == "idle"
    assert await live.one.sessions.alive(session, sending=True) == "The live stream was ended."

    # The owner has segments left: no video yet.
    await live.two.finishing.round()
    assert LiveRecorded.__name__ not in await types(live, session)
    await live.one.sessions.published(session, batch(session.video_id, 1, 2))
    await live.one.sessions.disconnected(session, "ended", clean=True)
    # It tells viewers now that nothing follows.
    with pytest.raises(Fenced):
        await live.one.sessions.alive(session, sending=False)
    await live.two.finishing.round()
    assert await types(live, session) == [
        *("LiveConnected", "LivePublished", "LiveEnded", "LivePublished", "LiveRecorded")
    ]
    async with live.client() as client:
        answer = await client.get(f"/api/v1/live/streams/{live_id}/sessions")
        (listed,) = answer.json()["data"]
        assert listed["video_id"] == session.video_id
        assert listed["started_at"] == "2030-01-02T00:00:00Z"
        assert listed["ended_at"]
    # The next publisher begins another one.
    again = await live.two.sessions.connect(key, OBS)
    assert again.video_id != session.video_id


async def test_a_session_is_one_trace_whoever_owns_it(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.one.sessions.disconnected(session, "lost", clean=False)
    back = await live.two.sessions.connect(key, OBS)
    await live.two.sessions.published(back, batch(session.video_id, 2, 2))
    async with live.client() as client:
        assert (await client.post(f"/api/v1/live/streams/{live_id}/complete")).is_success
    recorded = await live.store.read_stream(stream_id("livesession", session.video_id))
    traces = [(event.metadata.traceparent or "")[3:35] for event in recorded]
    assert traces == [session.video_id.replace("-", "")] * 6


async def test_unknown_and_replaced_keys_are_refused(live: Live) -> None:
    live_id, key = await live.stream()
    assert await refusal(live.one, "live_nothing") == "unknown_key"
    assert await refusal(live.one, "") == "unknown_key"
    assert await refusal(live.one, "\ud800") == "unknown_key"
    session = await live.one.sessions.connect(key, OBS)
    async with live.client() as client:
        answer = await client.post(f"/api/v1/live/streams/{live_id}/key")
        new = answer.json()["data"]["stream_key"]
    closing = await live.one.sessions.alive(session, sending=True)
    assert closing == "The stream key was replaced."
    assert await refusal(live.two, key) == "unknown_key"
    await live.one.sessions.disconnected(session, closing, clean=True)
    assert (await live.two.sessions.connect(new, OBS)).epoch == 2


async def test_an_owner_connects_without_the_key_and_leaves_it_as_it_is(live: Live) -> None:
    live_id, key = await live.stream()
    for other in (OwnStream(live_id, "bob"), OwnStream(new_id(), "ann")):
        assert await refusal(live.one, other) == "unknown_key"
    session = await live.one.sessions.connect(OwnStream(live_id, "ann"), OBS)
    assert session.live_id == live_id
    # One stream, whatever opens it.
    assert await refusal(live.two, key) == "already_live"
    await live.age(4)
    again = await live.two.sessions.connect(key, OBS)
    assert (again.video_id, again.epoch) == (session.video_id, 2)
    async with live.client() as client:
        await client.post(f"/api/v1/live/streams/{live_id}/disable")
    assert await refusal(live.one, OwnStream(live_id, "ann")) == "disabled"


async def test_no_key_is_stored_or_in_the_log(live: Live, database: Database) -> None:
    _, key = await live.stream()
    await live.one.sessions.connect(key, OBS)
    import asyncpg

    owner = await asyncpg.connect(database.admin_url)
    try:
        for table in ("log.events", "live.streams", "live.sessions"):
            rows = await owner.fetch(f"select t::text from {table} t")
            assert rows
            assert not [row for row in rows if key in row[0]]
    finally:
        await owner.close()


async def test_the_second_publisher_is_refused_while_the_first_sends(live: Live) -> None:
    _, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    assert await refusal(live.two, key) == "already_live"
    assert await refusal(live.one, key) == "already_live"
    # Silent for three seconds: it is displaced, and learns that it lost the session.
    await live.age(3.1)
    taken = await live.two.sessions.connect(key, OBS)
    assert (taken.video_id, taken.epoch) == (session.video_id, 2)
    with pytest.raises(Fenced):
        await live.one.sessions.alive(session, sending=True)
    with pytest.raises(Fenced):
        await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    assert await live.one.sessions.owner(session.video_id) == "http://two:8000"


async def test_of_many_publishers_at_once_one_wins(live: Live) -> None:
    _, key = await live.stream()
    tries = [replica.sessions.connect(key, OBS) for replica in (live.one, live.two) * 5]
    results = await asyncio.gather(*tries, return_exceptions=True)
    won = [result for result in results if isinstance(result, Session)]
    assert len(won) == 1
    assert {type(result) for result in results} == {Session, Refused}


async def test_a_session_that_is_not_kept_leaves_no_objects(live: Live) -> None:
    live_id, key = await live.stream(record=False)
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.one.streams.complete("ann", live_id)
    await live.one.sessions.disconnected(session, "ended", clean=True)
    await live.one.finishing.round()
    assert live.one.bucket.deleted == [f"{session.video_id}/"]
    assert (await types(live, session))[-1] == "LiveEnded"


@pytest.mark.parametrize("what", ["disable", "delete"])
async def test_a_stream_that_is_closed_ends_its_session_on_every_replica(
    live: Live, what: str
) -> None:
    live_id, key = await live.stream()
    session = await live.two.sessions.connect(key, OBS)
    async with live.client() as client:
        if what == "delete":
            assert (await client.delete(f"/api/v1/live/streams/{live_id}")).status_code == 204
        else:
            await client.post(f"/api/v1/live/streams/{live_id}/disable")
    assert await live.two.sessions.alive(session, sending=True) == f"The live stream was {what}d."
    assert (await types(live, session))[-1] == "LiveEnded"
    code = await refusal(live.one, key)
    assert code == ("unknown_key" if what == "delete" else "disabled")


async def test_only_so_many_lives_of_one_user_run_at_once(live: Live) -> None:
    keys = [(await live.stream())[1] for _ in range(3)]
    first = await live.one.sessions.connect(keys[0], OBS)
    await live.one.sessions.connect(keys[1], OBS)
    assert await refusal(live.two, keys[2]) == "too_many"
    await live.age(4)
    await live.two.sessions.connect(keys[0], OBS)
    await live.one.streams.complete("ann", (await live.one.streams.all("ann"))[0].id)
    assert await live.two.sessions.connect(keys[2], OBS)
    assert (await types(live, first))[-1] == "LiveEnded"


async def test_a_running_sessions_video_can_be_deleted(live: Live) -> None:
    _, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    deleted = VideoDeleted(video_id=session.video_id, user_id="ann", deleted_by="owner")
    await live.append(stream_id("video", session.video_id), deleted)
    await live.two.settling.round()
    assert await live.one.sessions.alive(session, sending=True) == "Its video was deleted."
    await live.one.sessions.disconnected(session, "ended", clean=True)
    await live.two.finishing.round()
    assert isinstance((await live.one.sessions.history(session.video_id))[-1], LiveEnded)


async def test_a_deleted_account_has_no_live_streams(live: Live) -> None:
    _, key = await live.stream()
    _, other = await live.stream("bob")
    session = await live.one.sessions.connect(key, OBS)
    await live.append(stream_id("user", "ann"), UserDeleted(user_id="ann"))
    await live.two.deleted_accounts.round()
    assert await live.one.sessions.alive(session, sending=True) == "The account was deleted."
    assert await refusal(live.one, key) == "unknown_key"
    assert (await live.one.sessions.connect(other, OBS)).epoch == 1


async def test_a_stream_that_cannot_be_read_keeps_no_deleted_accounts_streams(live: Live) -> None:
    """One that a newer version has changed is the oldest."""
    unreadable, _ = await live.stream("bob")
    _, key = await live.stream()
    await live.append_newer(stream_id("live", unreadable), "LiveStreamChanged")
    for user in ("ann", "bob"):
        await live.append(stream_id("user", user), UserDeleted(user_id=user))
    await live.two.deleted_accounts.round()
    assert await refusal(live.one, key) == "unknown_key"


async def test_without_a_database_a_publisher_is_told_to_try_again(
    live: Live, database: Database
) -> None:
    _, key = await live.stream()
    async with database.outage():
        assert await refusal(live.one, key) == "unavailable"


async def test_a_user_is_live_so_often_at_once_on_all_replicas(live: Live) -> None:
    """Whatever number of keys race: the harness allows two."""
    keys = [(await live.stream())[1] for _ in range(3)]
    replicas = (live.one, live.two)
    for _ in range(3):
        tries = [replica.sessions.connect(key, OBS) for key in keys for replica in replicas]
        results = await asyncio.gather(*tries, return_exceptions=True)
        won = [result for result in results if isinstance(result, Session)]
        assert len(won) <= 2
        codes = {result.code for result in results if isinstance(result, Refused)}
        assert codes <= {"too_many", "already_live", "busy"}
    assert [await refusal(live.one, key) for key in keys].count("already_live") == 2
    # Another user's lives are not counted.
    _, other = await live.stream("bob")
    assert (await live.two.sessions.connect(other, OBS)).epoch == 1


async def test_a_live_of_a_full_account_is_refused_in_words(live: Live) -> None:
    _, key = await live.stream()
    live.two.accounts.full["ann"] = "The account has used its stored bytes."
    with pytest.raises(Refused, match="has used its stored bytes") as refused:
        await live.two.sessions.connect(key, OBS)
    assert refused.value.code == "full"
    live.two.accounts.full.clear()
    session = await live.two.sessions.connect(key, OBS)
    assert (session.epoch, session.next_segment) == (1, 0)


async def test_a_session_is_ended_by_its_own_owner_alone(live: Live) -> None:
    _, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    await live.age(3.1)
    taken = await live.two.sessions.connect(key, OBS)
    await live.one.sessions.give_up(session, "It sends too much.")
    assert await live.two.sessions.alive(taken, sending=True) is None
    await live.two.sessions.give_up(taken, "It sends too much.")
    assert await live.two.sessions.alive(taken, sending=True) == "It sends too much."


class Full:
    """An entrance for sessions that begin."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def begin(self) -> None:
        self.asked.append("begin")

    async def go_on(self, video_id: str) -> None:
        self.asked.append(video_id)
        raise Refused("unavailable", "not here")


async def test_a_session_stays_with_its_owner_where_another_could_not_go_on_with_it(
    live: Live,
) -> None:
    _, key = await live.stream()
    entrance = Full()
    # Whoever begins one has nothing to go on with.
    session = await live.one.sessions.connect(key, OBS, entrance)
    await live.age(3.1)
    with pytest.raises(Refused) as refused:
        await live.two.sessions.connect(key, OBS, entrance)
    assert refused.value.code == "unavailable"
    assert entrance.asked == ["begin", session.video_id]
    # Who does not know the key takes no room.
    with pytest.raises(Refused):
        await live.one.sessions.connect("wrong", OBS, entrance)
    assert len(entrance.asked) == 2
    assert await live.one.sessions.alive(session, sending=True) is None
    assert await live.one.sessions.owner(session.video_id) == "http://one:8000"


async def test_running_publishers_are_cut_within_seconds(live: Live) -> None:
    """On the replica that did not do it, whoever did what."""

    async def post(live_id: str, what: str) -> None:
        async with live.client() as client:
            answer = await client.post(f"/api/v1/live/streams/{live_id}/{what}")
            assert answer.status_code == 200

    async def removed(live_id: str, _: str) -> None:
        async with live.client() as client:
            assert (await client.delete(f"/api/v1/live/streams/{live_id}")).status_code == 204

    async def account(_: str, user_id: str) -> None:
        await live.append(stream_id("user", user_id), UserDeleted(user_id=user_id))

    causes = {"key": post, "disable": post, "complete": post, "delete": removed, "account": account}
    for name, cause in causes.items():
        user_id = "ann" if name != "account" else "bob"
        live_id, key = await live.stream(user_id)
        session = await live.two.sessions.connect(key, OBS)
        assert await live.two.sessions.alive(session, sending=True) is None
        await cause(live_id, name if cause is post else user_id)
        live.one.now += 5
        await live.one.settling.round()
        assert await live.two.sessions.alive(session, sending=True) is not None, name
        await live.two.sessions.disconnected(session, "closed", clean=True)
        if name != "complete":
            assert await refusal(live.two, key) in {"unknown_key", "disabled"}
        async with live.client(user_id) as client:
            await client.delete(f"/api/v1/live/streams/{live_id}")
