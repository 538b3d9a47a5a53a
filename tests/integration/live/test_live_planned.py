"""Planned lives on the real log and tables: who sees them, and what their time brings."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.live.domain.plan import MISSED
from services.live.domain.session import Publish
from services.live.domain.stream import (
    CancelPlan,
    LiveSettings,
    LiveStream,
    LiveStreamNotFound,
)
from services.live.handlers.planning import Wish
from shared.contracts import UserDeleted, VideoDeleted, VisibilityChanged, stream_id
from shared.event_store.postgres import open_event_store
from shared.event_store.store import Metadata, NewEvent
from tests.integration.live.harness import OBS, Live, batch
from tests.support.databases import Database

STREAMS = "/api/v1/live/streams"
PLANNED = "/api/v1/live/planned"


def ahead(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


async def change(live: Live, live_id: str, body: Any, user: str = "ann") -> Any:
    async with live.client(user) as client:
        answer = await client.patch(f"{STREAMS}/{live_id}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


async def planned(live: Live, planned_id: str, user: str | None = None) -> Any:
    """What a viewer reads; None where there is no such planned live for them."""
    async with live.client(user) as client:
        answer = await client.get(f"{PLANNED}/{planned_id}")
        return answer.json()["data"] if answer.status_code == 200 else None


async def upcoming(live: Live, **query: Any) -> list[str]:
    async with live.client(None) as client:
        answer = await client.get(PLANNED, params=query)
        assert answer.status_code == 200, answer.text
        return [each["title"] for each in answer.json()["data"]]


async def told(live: Live, live_id: str) -> Counter[str]:
    events = await live.store.read_stream(stream_id("live", live_id))
    names = Counter(type(event.data).__name__ for event in events)
    return Counter({name: count for name, count in names.items() if "Stream" not in name})


async def test_a_live_is_planned_shown_moved_and_cancelled(live: Live) -> None:
    at = ahead(days=2)
    live_id, _ = await live.stream(description="A race.", scheduled_at=at)
    async with live.client() as client:
        own = (await client.get(f"{STREAMS}/{live_id}")).json()["data"]
    assert datetime.fromisoformat(own["scheduled_at"]) == datetime.fromisoformat(at)
    page = await planned(live, own["planned_id"])
    assert page == {
        "id": own["planned_id"],
        "user_id": "ann",
        "username": "ann",
        "title": "Bikes",
        "description": "A race.",
        "visibility": "public",
        "scheduled_at": own["scheduled_at"],
        "state": "planned",
        "video_id": None,
    }
    assert await upcoming(live) == ["Bikes"]
    later = ahead(days=3)
    moved = await change(live, live_id, {"title": "Cars", "scheduled_at": later})
    assert moved["planned_id"] == own["planned_id"]
    page = await planned(live, own["planned_id"])
    assert page["title"] == "Cars"
    assert datetime.fromisoformat(page["scheduled_at"]) == datetime.fromisoformat(later)
    gone = await change(live, live_id, {"scheduled_at": None})
    assert (gone["scheduled_at"], gone["planned_id"]) == (None, None)
    assert (await planned(live, own["planned_id"]))["state"] == "cancelled"
    assert await upcoming(live) == []
    again = await change(live, live_id, {"scheduled_at": later})
    assert again["planned_id"] != own["planned_id"]
    async with live.client() as client:
        assert (await client.delete(f"{STREAMS}/{live_id}")).status_code == 204
    assert await planned(live, again["planned_id"]) is None
    assert await told(live, live_id) == Counter(
        LiveScheduled=2, LiveRescheduled=2, LiveScheduleCancelled=2
    )


async def test_who_sees_a_planned_live_follows_its_visibility(live: Live) -> None:
    live_id, _ = await live.stream(scheduled_at=ahead(days=1), visibility="private")
    plan_id = (await change(live, live_id, {}))["planned_id"]
    assert await planned(live, plan_id, "ann") is not None
    assert await planned(live, plan_id, "bob") is None
    assert await planned(live, plan_id) is None
    assert await upcoming(live) == await upcoming(live, user_id="ann") == []
    await change(live, live_id, {"visibility": "unlisted"})
    assert (await planned(live, plan_id))["visibility"] == "unlisted"
    assert await upcoming(live) == await upcoming(live, user_id="ann") == []
    await change(live, live_id, {"visibility": "public"})
    assert await upcoming(live) == await upcoming(live, user_id="ann") == ["Bikes"]
    assert await upcoming(live, user_id="bob") == []
    await change(live, live_id, {"visibility": "private"})
    assert await planned(live, plan_id, "bob") is None
    assert await upcoming(live) == []


async def test_who_sees_what_was_planned_follows_what_its_owner_hides(live: Live) -> None:
    live_id, key = await live.stream(scheduled_at=ahead(minutes=10))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    await live.one.planning.round()
    assert (await planned(live, plan_id))["state"] == "begun"
    video, video_id = stream_id("video", session.video_id), session.video_id
    await live.append(video, VisibilityChanged(video_id=video_id, visibility="private"))
    assert await planned(live, plan_id) is await planned(live, plan_id, "bob") is None
    assert (await planned(live, plan_id, "ann"))["state"] == "begun"
    await live.append(video, VisibilityChanged(video_id=video_id, visibility="unlisted"))
    assert (await planned(live, plan_id))["state"] == "begun"
    await live.append(video, VideoDeleted(video_id=video_id, user_id="ann", deleted_by="owner"))
    assert await planned(live, plan_id) is await planned(live, plan_id, "bob") is None


async def test_who_sees_what_was_cancelled_follows_its_stream(live: Live) -> None:
    live_id, _ = await live.stream(scheduled_at=ahead(days=1))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    await change(live, live_id, {"scheduled_at": None})
    assert (await planned(live, plan_id))["state"] == "cancelled"
    await change(live, live_id, {"visibility": "private"})
    assert await planned(live, plan_id) is await planned(live, plan_id, "bob") is None
    assert (await planned(live, plan_id, "ann"))["state"] == "cancelled"


async def test_one_account_has_one_place_among_all(live: Live) -> None:
    await live.stream(title="Second", scheduled_at=ahead(days=2))
    await live.stream(title="First", scheduled_at=ahead(days=1))
    await live.stream("bob", title="Third", scheduled_at=ahead(days=3))
    assert await upcoming(live) == ["First", "Third"]
    assert await upcoming(live, limit=1) == ["First"]
    assert await upcoming(live, user_id="ann") == ["First", "Second"]


async def test_plans_are_bounded_in_number_and_time(live: Live) -> None:
    ids = [(await live.stream(scheduled_at=ahead(days=1)))[0] for _ in range(2)]
    third, _ = await live.stream()
    async with live.client() as client:
        at = {"scheduled_at": ahead(days=1)}
        for answer in (
            await client.patch(f"{STREAMS}/{third}", json=at),
            await client.post(STREAMS, json={"title": "More", **at}),
        ):
            assert answer.status_code == 403
            assert answer.json()["error"]["type"] == "quota_exceeded"
        # The streams that have one may move it.
        moved = await client.patch(f"{STREAMS}/{ids[0]}", json={"scheduled_at": ahead(days=5)})
        assert moved.status_code == 200
        await change(live, ids[0], {"scheduled_at": None})
        assert (await client.patch(f"{STREAMS}/{third}", json=at)).status_code == 200
        for wrong in (ahead(seconds=-1), ahead(days=367), "tomorrow", "2030-01-01T00:00:00", 7):
            body = {"scheduled_at": wrong, "title": "Other"}
            answer = await client.patch(f"{STREAMS}/{ids[1]}", json=body)
            assert answer.status_code == 400, wrong
            assert (await client.post(STREAMS, json={**body})).status_code == 400
        assert (await client.get(f"{STREAMS}/{ids[1]}")).json()["data"]["title"] == "Bikes"
        assert len((await client.get(STREAMS)).json()["data"]) == 3


async def test_a_repeated_request_plans_once(live: Live) -> None:
    body = {"title": "Bikes", "scheduled_at": ahead(days=1)}
    async with live.client() as client:
        headers = {"idempotency-key": "one"}
        first = await client.post(STREAMS, json=body, headers=headers)
        again = await client.post(STREAMS, json=body, headers=headers)
        assert again.json()["data"]["planned_id"] == first.json()["data"]["planned_id"]
        other = {**body, "scheduled_at": ahead(days=2)}
        assert (await client.post(STREAMS, json=other, headers=headers)).status_code == 409
    assert await upcoming(live) == ["Bikes"]


async def test_a_request_whose_first_try_failed_half_way_plans(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the stream's row and the log."""

    async def away(*_: Any) -> LiveStream:
        raise ConnectionError("no answer")

    wish = Wish(datetime.now(UTC) + timedelta(days=1), "ann")
    asked = ("ann", LiveSettings(title="Bikes"), "one", wish)
    with monkeypatch.context() as patched:
        patched.setattr(live.one.events, "decide_stream", away)
        with pytest.raises(ConnectionError):
            await live.one.streams.create(*asked)
    shown, _ = await live.one.streams.create(*asked)
    again, _ = await live.one.streams.create(*asked)
    assert shown.scheduled_at == again.scheduled_at == wish.scheduled_at
    assert await upcoming(live) == ["Bikes"]
    assert await told(live, shown.id) == Counter(LiveScheduled=1)


async def test_it_is_announced_once_whoever_leads(live: Live) -> None:
    live_id, _ = await live.stream(scheduled_at=ahead(hours=1))
    await live.one.planning.round()
    assert await told(live, live_id) == Counter(LiveScheduled=1)
    for replica in (live.one, live.two):
        replica.ahead = timedelta(minutes=50)
    # The first leader dies before it has noted what is in the log.
    await live.one.planning.round()
    await live.execute("update live.plans set announced = false, revision = 1")
    await live.two.planning.round()
    await live.two.planning.round()
    assert (await told(live, live_id))["LiveStartsSoon"] == 1
    await change(live, live_id, {"scheduled_at": ahead(hours=3)})
    live.two.ahead = timedelta(hours=2, minutes=50)
    await live.two.planning.round()
    assert (await told(live, live_id))["LiveStartsSoon"] == 2


async def test_a_session_at_its_time_is_the_planned_one(live: Live) -> None:
    live_id, key = await live.stream(scheduled_at=ahead(hours=1))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.published(session, batch(session.video_id, 1, 0))
    # An hour before, it is a test of the equipment.
    await live.one.planning.round()
    assert (await planned(live, plan_id))["state"] == "planned"
    live.one.ahead = timedelta(minutes=46)
    await live.one.planning.round()
    page = await planned(live, plan_id)
    assert (page["state"], page["video_id"]) == ("begun", session.video_id)
    assert await upcoming(live) == []
    async with live.client() as client:
        own = (await client.get(f"{STREAMS}/{live_id}")).json()["data"]
    assert own["scheduled_at"] is None
    await live.one.planning.round()
    assert (await told(live, live_id))["LiveScheduleMet"] == 1


@pytest.mark.parametrize("noted", ["nothing", "log"])
async def test_a_planned_live_whose_first_owner_dies_has_begun(live: Live, noted: str) -> None:
    """Before its first segment is in the log, or after that and before its row says so."""
    live_id, key = await live.stream(scheduled_at=ahead(minutes=10))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    session = await live.one.sessions.connect(key, OBS)
    if noted == "log":
        first = Publish(batch(session.video_id, 1, 0))
        await live.one.events.decide_session(session.video_id, first, "ann")
    await live.age(6.1)
    taken = await live.two.sessions.connect(key, OBS)
    if noted == "nothing":
        # Behind the numbers that viewers may have seen.
        await live.two.sessions.published(taken, batch(taken.video_id, 2, 2))
    await live.two.planning.round()
    assert (await planned(live, plan_id))["video_id"] == session.video_id


async def test_a_live_that_never_begins_is_cancelled(live: Live) -> None:
    live_id, _ = await live.stream(scheduled_at=ahead(minutes=1))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    live.one.ahead = timedelta(minutes=30)
    await live.one.planning.round()
    assert (await planned(live, plan_id))["state"] == "planned"
    assert await upcoming(live) == ["Bikes"]
    live.one.ahead = timedelta(minutes=2) + MISSED
    await live.one.planning.round()
    assert (await planned(live, plan_id))["state"] == "cancelled"
    assert (await told(live, live_id))["LiveScheduleCancelled"] == 1


async def test_what_a_process_left_half_done_is_finished(live: Live) -> None:
    live_id, _ = await live.stream(scheduled_at=ahead(days=1))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    # It died between the log and the table.
    await live.execute("update live.plans set unsettled = 1, touched_at = now()")
    await live.one.events.decide_stream(live_id, CancelPlan("ann"), "ann")
    await live.one.planning.round()
    assert (await planned(live, plan_id))["state"] == "planned"
    await live.execute("update live.plans set touched_at = now() - interval '1 minute'")
    await live.one.planning.round()
    assert (await planned(live, plan_id))["state"] == "cancelled"
    # It died before the log.
    await live.execute(
        "insert into live.plans (id, live_id, user_id, username, title, description, visibility,"
        " scheduled_at, touched_at) select gen_random_uuid(), live_id, user_id, username, title,"
        " description, visibility, scheduled_at, touched_at from live.plans"
    )
    await live.one.planning.round()
    with pytest.raises(LiveStreamNotFound):
        await live.one.streams.delete("bob", live_id)
    await live.execute(
        "do $$ begin if exists (select from live.plans where state = 'wanted' or unsettled > 0)"
        " then raise 'left'; end if; end $$"
    )


async def test_plans_of_deleted_accounts_are_nowhere(live: Live, database: Database) -> None:
    live_id, _ = await live.stream(scheduled_at=ahead(days=1))
    plan_id = (await change(live, live_id, {}))["planned_id"]
    async with open_event_store(database.url("auth")) as auth:
        event = NewEvent(UserDeleted(user_id="ann"))
        await auth.append(stream_id("user", "ann"), 0, [event], Metadata(correlation_id="ann"))
    assert await planned(live, plan_id) is None
    assert await upcoming(live) == []
    await live.one.deleted_accounts.round()
    assert (await told(live, live_id))["LiveScheduleCancelled"] == 1
