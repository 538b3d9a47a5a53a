"""An operator ends sessions and closes publishers, of whomever they are."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from services.live.http.operators import operator_live_routes
from services.live.ports import Refused
from shared.contracts import LiveEnded
from shared.http.problems import EXCEPTION_HANDLERS
from shared.settings import Key
from tests.integration.live.harness import OBS, Live, batch

SECRET = Key("operator-secret-of-at-least-32-bytes")


def operator(live: Live, secret: str = SECRET) -> httpx.AsyncClient:
    app: Any = Litestar(
        [operator_live_routes(SECRET, live.one.interventions)],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://live/internal/operator/lives",
        headers={"authorization": f"Bearer {secret}"},
    )


async def test_a_session_is_ended_once_and_says_by_whom(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.two.sessions.connect(key, OBS)
    await live.two.sessions.published(session, batch(session.video_id, 1, 0))
    async with operator(live) as client:
        done = (await client.post(f"/{session.video_id}/end")).json()["data"]
        assert (done["live_id"], done["changed"]) == (live_id, True)
        again = (await client.post(f"/{session.video_id}/end")).json()["data"]
        assert not again["changed"]
    # Its owner learns of it with its next report, wherever it runs.
    reason = await live.two.sessions.alive(session, sending=True)
    assert reason == "An operator ended the live stream."
    events = await live.two.sessions.history(session.video_id)
    assert [each.reason for each in events if isinstance(each, LiveEnded)] == [reason]
    assert await live.status(live_id) == "idle"


async def test_a_publisher_is_closed_and_may_come_back(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    with pytest.raises(Refused):
        await live.two.sessions.connect(key, OBS)
    async with operator(live) as client:
        assert (await client.post(f"/{session.video_id}/kick")).json()["data"]["changed"]
        reason = await live.one.sessions.alive(session, sending=True)
        assert reason == "An operator closed the connection."
        await live.one.sessions.disconnected(session, reason, clean=False)
        assert await live.status(live_id) == "disconnected"
        assert not (await client.post(f"/{session.video_id}/kick")).json()["data"]["changed"]
    back = await live.two.sessions.connect(key, OBS)
    assert (back.video_id, back.epoch) == (session.video_id, 2)
    assert await live.two.sessions.alive(back, sending=True) is None


async def test_only_who_knows_the_secret_is_obeyed(live: Live) -> None:
    _, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    async with operator(live, "another") as client:
        assert (await client.post(f"/{session.video_id}/end")).status_code == 401
    async with operator(live) as client:
        assert (await client.post("/no-session/end")).status_code == 404
        unknown = "01a2049a-0000-7000-8000-000000000009"
        assert (await client.post(f"/{unknown}/kick")).status_code == 404
