"""One account cannot have what fails tried again for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder import handlers
from services.transcoder.domain.decisions import NotRetryable
from services.transcoder.http import job_routes
from services.transcoder.jobs.jobs import JobRepository
from services.transcoder.jobs.retries import RetryBudget, RetryLimits
from services.transcoder.tables import jobs
from shared.contracts import Event, TranscodeFailed
from shared.database.connect import create_engine
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.store import EventStore, Metadata, NewEvent
from shared.http.app import create_app
from shared.http.identity import Verifier
from tests.integration.ingest.facts import planned, uploaded
from tests.integration.ingest.harness import StaticKeys
from tests.support.databases import Database

LIMITS = RetryLimits(of_video=3, retries=8, minutes=100)
TOO_MANY = (429, "too_many_retries")


class Planner:
    """The job routes, and videos that fail."""

    def __init__(self, engine: AsyncEngine, database: Database, store: PostgresEventStore) -> None:
        self._engine = engine
        self._database = database
        self.store = store
        self._keys = StaticKeys()
        self.now = datetime(2030, 1, 2, 18, tzinfo=UTC)
        watcher: Any = None
        routes = job_routes(
            JobRepository(engine), store, watcher, RetryBudget(engine, LIMITS, lambda: self.now)
        )
        verifier = Verifier(self._keys, issuer="cinelog", audience="cinelog")
        app = create_app("transcoder", routes, verifier=verifier)
        self._transport = httpx.ASGITransport(app=cast(Any, app))

    async def fail(self, video: str, *, minutes: int = 1, user: str = "ann") -> None:
        """A new video has failed."""
        row = {"video_id": video, "user_id": user, "source_key": "k", "size": 1, "attempt": 1}
        async with self._engine.begin() as connection:
            await connection.execute(insert(jobs).values(**row, state="failed", playable=False))
        name, event = uploaded(video, user, 1)
        async with open_event_store(self._database.admin_url) as others:
            await others.append(name, 0, [NewEvent(event)], Metadata())
        await self._record(planned(video, user, minutes)[1])
        await self.fail_again(video, 1)

    async def fail_again(self, video: str, attempt: int) -> None:
        await self._record(
            TranscodeFailed(video_id=video, attempt=attempt, code="media.no_tracks", reason="r")
        )

    async def _record(self, event: Event) -> None:
        outcome = await handlers.record(self.store, getattr(event, "video_id", ""), event, None)
        assert outcome.events == (event,)

    async def retry(self, video: str, user: str = "ann") -> httpx.Response:
        headers = {"authorization": f"Bearer {self._keys.token(user)}"}
        async with httpx.AsyncClient(transport=self._transport, base_url="http://p") as client:
            return await client.post(f"/api/v1/jobs/{video}/retry", headers=headers)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["type"]


def said(answer: httpx.Response) -> dict[str, str]:
    return {each["field"]: each["message"] for each in answer.json()["error"]["details"]}


@pytest.fixture
async def planner(database: Database) -> AsyncIterator[Planner]:
    engine = create_engine(database.url("transcoder"), size=8)
    async with open_event_store(database.url("transcoder")) as store:
        yield Planner(engine, database, store)
    await engine.dispose()


async def test_a_video_that_fails_is_not_tried_for_ever(planner: Planner) -> None:
    await planner.fail("v")
    await planner.fail("other")
    for attempt in (2, 3, 4):
        answer = await planner.retry("v")
        assert answer.status_code == 202, answer.text
        assert answer.json()["data"]["attempts"] == attempt
        await planner.fail_again("v", attempt)
    refused = await planner.retry("v")
    assert problem(refused) == TOO_MANY
    assert said(refused) == {"retries_of_video": "3 used, 3 allowed"}
    assert refused.headers["retry-after"] == str(6 * 3600)
    assert (await planner.retry("other")).status_code == 202
    # An operator has looked at it.
    assert await handlers.retry(planner.store, "v", "operator") == 5


async def test_50_requests_at_once_are_no_more_retries_than_allowed(planner: Planner) -> None:
    videos = [f"v{n}" for n in range(12)]
    for video in videos:
        await planner.fail(video)
    answers = await asyncio.gather(*(planner.retry(video) for video in videos for _ in range(4)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len(accepted) <= LIMITS.retries
    others = {problem(answer) for answer in answers if answer.status_code != 202}
    assert others <= {TOO_MANY, (409, "job_not_retryable")}
    await planner.fail("b", user="bob")
    assert (await planner.retry("b", "bob")).status_code == 202


async def test_what_is_refused_otherwise_is_not_counted(planner: Planner) -> None:
    await planner.fail("v")
    assert (await planner.retry("v")).status_code == 202
    for _ in range(5):
        assert problem(await planner.retry("v")) == (409, "job_not_retryable")
    await planner.fail_again("v", 2)
    assert (await planner.retry("v")).status_code == 202


@pytest.mark.parametrize("error", [TimeoutError("late"), OSError("gone"), asyncio.CancelledError()])
async def test_what_failed_otherwise_is_not_counted(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """As it happens where the database does not answer in time, or the process ends."""
    await planner.fail("v")

    async def fail(*_: object) -> int:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(handlers, "retry", fail)
        for _ in range(LIMITS.of_video):
            with contextlib.suppress(asyncio.CancelledError):
                assert (await planner.retry("v")).status_code >= 500
    assert (await planner.retry("v")).status_code == 202


async def test_what_has_begun_is_counted_though_its_answer_is_lost(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planner.fail("v")
    retry = handlers.retry

    async def lose(store: EventStore, video_id: str, user_id: str) -> int:
        await retry(store, video_id, user_id)
        raise ConnectionError("the connection was lost")

    monkeypatch.setattr(handlers, "retry", lose)
    for attempt in (2, 3, 4):
        assert (await planner.retry("v")).status_code >= 500
        await planner.fail_again("v", attempt)
    assert problem(await planner.retry("v")) == TOO_MANY


async def test_an_error_is_told_where_the_retry_cannot_be_given_back(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    await planner.fail("v")

    async def fail(*_: object) -> int:
        engine = create_engine(database.admin_url, size=1)
        async with engine.begin() as connection:
            await connection.execute(text("drop table transcoder.retries"))
        await engine.dispose()
        raise NotRetryable("This is told.")

    monkeypatch.setattr(handlers, "retry", fail)
    assert problem(await planner.retry("v")) == (409, "job_not_retryable")


async def test_long_videos_are_tried_again_less_often(planner: Planner) -> None:
    for video in ("a", "b", "c"):
        await planner.fail(video, minutes=60)
    assert (await planner.retry("a")).status_code == 202
    assert (await planner.retry("b")).status_code == 202
    refused = await planner.retry("c")
    assert problem(refused) == TOO_MANY
    assert said(refused) == {"retry_minutes": "120 used, 100 allowed"}


async def test_the_next_day_begins_anew(planner: Planner, database: Database) -> None:
    await planner.fail("v", minutes=200)
    assert (await planner.retry("v")).status_code == 202
    await planner.fail_again("v", 2)
    assert problem(await planner.retry("v")) == TOO_MANY
    planner.now += timedelta(hours=6)
    assert (await planner.retry("v")).status_code == 202
    engine = create_engine(database.admin_url, size=1)
    async with engine.begin() as connection:
        days = (await connection.execute(text("select day from transcoder.retries"))).scalars()
        assert list(days) == [planner.now.date()]
    await engine.dispose()
