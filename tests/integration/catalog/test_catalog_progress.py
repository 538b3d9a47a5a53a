"""Server-Sent Events, timeline and feed over HTTP on a real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from deploy.local import ports
from shared.contracts import (
    SessionRevoked,
    TranscodeFailed,
    TranscodeProgressed,
    TranscodeRetried,
    UserDeleted,
    new_id,
    stream_id,
)
from shared.http import server
from shared.settings import Address
from tests.integration.catalog.stage import Stage
from tests.support.catalog_events import planned, transcoded
from tests.support.wait import eventually


@pytest.fixture
async def online(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application behind a real server: the test transport cannot stream."""
    port = ports.choose(["it"], {})["it"]
    running, stop = asyncio.Event(), asyncio.Event()

    async def started(scope: Any, receive: Any, send: Any) -> None:
        """The application; the stage has started it already."""
        if scope["type"] != "lifespan":
            await stage.app(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    async def serve() -> None:
        async with server.serving(started, Address("127.0.0.1", port), drain_seconds=1):
            running.set()
            await stop.wait()

    serving = asyncio.create_task(serve())
    await running.wait()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api/v1", timeout=20, trust_env=False
    ) as client:
        yield client
    stop.set()
    await serving


class Reader:
    """Reads the messages of one stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def message(self) -> dict[str, Any] | None:
        """The next message; None at the end."""
        fields: dict[str, Any] = {}
        async for line in self._lines:
            if not line and "data" in fields:
                return {**fields, "data": msgspec.json.decode(fields["data"])}
            name, _, value = line.partition(": ")
            if name in {"id", "event", "data"}:
                fields[name] = value
        return None

    async def rest(self) -> list[dict[str, Any]]:
        messages = []
        while message := await self.message():
            messages.append(message)
        return messages


async def test_a_job_is_followed_to_its_end_and_resumed(
    stage: Stage, online: httpx.AsyncClient
) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    transcode, path = stream_id("transcode", video), f"/jobs/{video}/events"
    await stage.record(transcode, planned(video, user))
    await stage.settle()

    async with online.stream("GET", path, headers=stage.login(user)) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "etag" not in response.headers
        reader = Reader(response)
        first, second = await reader.message(), await reader.message()
        assert first is not None
        assert second is not None
        assert (first["event"], second["event"]) == ("VideoUploaded", "TranscodePlanned")
        assert first["data"]["job"]["status"] == "pending"

        half = TranscodeProgressed(video_id=video, attempt=1, percent=50, stage="encoding")
        await stage.record(transcode, half)
        third = await reader.message()
        assert third is not None
        assert third["data"]["job"]["progress"] == 50.0

        await stage.record(transcode, *transcoded(video, user)[1:])
        rest = await reader.rest()
        assert [m["event"] for m in rest] == [
            "VideoPlayable",
            "ThumbnailsCreated",
            "TranscodeCompleted",
        ]
        assert rest[-1]["data"]["job"]["status"] == "completed"

    seen = stage.login(user) | {"last-event-id": second["id"]}
    async with online.stream("GET", path, headers=seen) as response:
        again = await Reader(response).rest()
    assert again == [third, *rest]

    done = stage.login(user) | {"last-event-id": rest[-1]["id"]}
    assert (await online.get(path, headers=done)).status_code == 204
    for nonsense in ("x'; drop", "9" * 5000, "1" * 18 + "x", "\u0661"):
        asked = stage.login(user) | {"last-event-id": nonsense.encode()}
        async with online.stream("GET", path, headers=asked) as response:
            assert len(await Reader(response).rest()) == 6


@pytest.mark.parametrize("end", ["logout", "deletion"])
async def test_a_stream_ends_with_the_session(
    stage: Stage, online: httpx.AsyncClient, end: str
) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    path = f"/jobs/{video}/events"
    await stage.settle()
    ending, other = stage.login(user, session="ending"), stage.login(user, session="other")
    revoked = SessionRevoked(user_id=user, session_id="ending", reason=end)
    async with (
        online.stream("GET", path, headers=ending) as ended,
        online.stream("GET", path, headers=other) as going_on,
    ):
        readers = Reader(ended), Reader(going_on)
        for reader in readers:
            assert await reader.message() is not None
        await stage.stop_projecting()  # The end does not wait for the read models.
        event = revoked if end == "logout" else UserDeleted(user_id=user)
        await stage.record(stream_id("user", user), event)
        async with asyncio.timeout(60):
            assert await readers[0].message() is None
        if end == "deletion":
            assert await readers[1].message() is None
        else:
            assert stage.followers() == 1
    for where in (path, f"/jobs/{video}", f"/videos/{video}/timeline", "/jobs", "/events"):
        refused = await online.get(where, headers=ending)
        assert refused.status_code == 401, where


async def test_whether_the_read_models_show_an_event_can_be_asked(stage: Stage) -> None:
    user = await stage.user()
    stream = stream_id("user", user)

    async def asked(events: str) -> httpx.Response:
        params = {"events": events}
        return await stage.client.get("http://catalog/internal/caught-up", params=params)

    assert (await asked(f"{stream}@1")).json() == {"caught_up": True}
    assert (await stage.get(f"/users/id/{user}")).status_code == 200
    assert (await asked(f"{stream}@1,{stream}@2")).json() == {"caught_up": False}
    for nonsense in ("", "x", f"{stream}@", "a@1", f"{stream}@1,", f"{stream}@{'9' * 30}"):
        assert (await asked(nonsense)).status_code == 400, nonsense


async def test_an_end_without_a_position_is_still_to_come(
    stage: Stage, online: httpx.AsyncClient
) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    transcode, path = stream_id("transcode", video), f"/jobs/{video}/events"
    *before, end = transcoded(video, user)
    await stage.record(transcode, planned(video, user), *before[1:])
    await stage.settle()
    async with online.stream("GET", path, headers=stage.login(user)) as response:
        reader = Reader(response)
        messages = [await reader.message() for _ in range(len(before) + 1)]
    last = messages[-1]
    assert last is not None

    await stage.stop_stamping()
    await stage.record(transcode, end)
    seen = stage.login(user) | {"last-event-id": last["id"]}
    async with online.stream("GET", path, headers=seen) as response:
        assert response.status_code == 200
        stage.start_stamping()
        assert [m["event"] for m in await Reader(response).rest()] == ["TranscodeCompleted"]


async def test_a_failed_job_ends_its_stream_and_a_retried_one_goes_on(
    stage: Stage, online: httpx.AsyncClient
) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    transcode, path = stream_id("transcode", video), f"/jobs/{video}/events"
    failed = TranscodeFailed(video_id=video, attempt=1, code="c", reason="It broke.")
    await stage.record(transcode, planned(video, user), failed)
    await stage.settle()

    async with online.stream("GET", path, headers=stage.login(user)) as response:
        messages = await Reader(response).rest()
    assert messages[-1]["data"]["job"]["error_message"] == "It broke."

    retried = TranscodeRetried(video_id=video, attempt=2, requested_by=user)
    await stage.record(transcode, retried)
    await stage.settle()
    async with online.stream("GET", path, headers=stage.login(user)) as response:
        reader = Reader(response)
        for _ in range(4):
            await reader.message()
        await stage.record(transcode, *transcoded(video, user, attempt=2))
        assert (await reader.rest())[-1]["event"] == "TranscodeCompleted"


async def test_many_follow_and_leave(stage: Stage, online: httpx.AsyncClient) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    await stage.settle()
    headers, path = stage.login(user), f"/jobs/{video}/events"

    async def follow() -> list[str]:
        async with online.stream("GET", path, headers=headers) as response:
            return [message["event"] for message in await Reader(response).rest()]

    leaving = asyncio.create_task(follow())
    staying = [asyncio.create_task(follow()) for _ in range(10)]
    await eventually(lambda: stage.followers() == 11)
    leaving.cancel()
    await eventually(lambda: stage.followers() == 10)
    await stage.record(stream_id("transcode", video), *transcoded(video, user))

    stories = await asyncio.gather(*staying)
    assert all(story == stories[0] for story in stories)
    assert stories[0][-1] == "TranscodeCompleted"
    await eventually(lambda: stage.followers() == 0)


async def test_streams_and_timelines_are_their_owners(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user()
    video = await stage.ready(user)

    for path in ("/jobs/{}/events", "/videos/{}/timeline"):
        assert (await stage.get(path.format(video))).status_code == 401
        assert (await stage.get(path.format(video), other)).status_code == 403
        assert (await stage.get(path.format(new_id()), user)).status_code == 404
        assert (await stage.get(path.format("x"), user)).status_code == 404


async def test_a_timeline(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.call("PUT", f"/streaming/{video}", user, json={"title": "New"})

    story = (await stage.get(f"/videos/{video}/timeline", user)).json()["data"]

    assert [step["type"] for step in story["steps"]] == [
        "VideoUploaded",
        "TranscodePlanned",
        "VideoPlayable",
        "ThumbnailsCreated",
        "TranscodeCompleted",
        "DetailsChanged",
    ]
    assert story["ended"] is True
    assert story["progress"] == 100.0
    assert story["steps"][1]["worker"] == "worker-1"
    assert story["steps"][1]["trace_id"] == "a" * 32
    assert story["total_ms"] >= story["playable_after_ms"] >= 0


async def test_the_feed_has_ones_own_events_and_is_replayable(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user()
    video = await stage.ready(user)
    await stage.ready(other)
    progress = TranscodeProgressed(video_id=video, attempt=1, percent=1, stage="encoding")
    await stage.record(stream_id("transcode", video), progress)
    await stage.call("DELETE", f"/streaming/{video}", user)
    await stage.settle()
    assert (await stage.get("/events")).status_code == 401

    whole = (await stage.get("/events", user)).json()["data"]
    types = [event["type"] for event in whole["data"]]
    assert types == [
        "UserRegistered",
        "VideoUploaded",
        "TranscodePlanned",
        "VideoPlayable",
        "ThumbnailsCreated",
        "TranscodeCompleted",
        "VideoBinned",
    ]
    assert whole["more"] is False
    assert whole["data"][1]["video_id"] == video
    assert "source_key" not in whole["data"][1]["data"]

    pieces, cursor, more = [], None, True
    while more:
        query = {"page_size": "2"} | ({"after": cursor} if cursor else {})
        page = (await stage.get("/events", user, params=query)).json()["data"]
        pieces += page["data"]
        cursor, more = page["cursor"], page["more"]
    assert pieces == whole["data"]

    empty = (await stage.get("/events", user, params={"after": cursor})).json()["data"]
    assert (empty["data"], empty["cursor"]) == ([], cursor)
    some = await stage.get("/events?types=VideoUploaded,%20VideoBinned", user)
    assert [e["type"] for e in some.json()["data"]["data"]] == ["VideoUploaded", "VideoBinned"]
    assert (await stage.get("/events?types=Nonsense", user)).status_code == 400
    assert (await stage.get("/events?after=Nonsense", user)).status_code == 400


async def test_a_deleted_account_leaves_no_feed(stage: Stage) -> None:
    user = await stage.user()
    await stage.ready(user, "My name is Ada")
    await stage.settle()
    await stage.record(stream_id("user", user), UserDeleted(user_id=user))
    await stage.settle()

    assert await stage.query("select * from catalog.feed where user_id = $1", user) == []
