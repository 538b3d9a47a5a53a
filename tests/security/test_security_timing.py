"""How long an answer takes does not tell what is hidden from what does not exist.

Clocks are not asked: for both, the same is done.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx
import pytest

from services.catalog.http import jobs
from services.catalog.http.access import find_visible
from services.transcoder.http import job_routes
from services.transcoder.jobs.jobs import JobRecord
from services.transcoder.jobs.retries import RetryBudget
from shared.contracts import VideoUploaded, new_id, stream_id
from shared.errors import CinelogError, NotFound
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent
from shared.http.app import create_app
from shared.http.identity import Principal, Verifier
from tests.integration.ingest.harness import StaticKeys

EVE = Principal(user_id="eve", username="eve", session_id="s", token_id="t", expires_at=0)
HIDDEN, PUBLIC, OWN, ABSENT = (new_id() for _ in range(4))
OWNERS = {HIDDEN: "ann", PUBLIC: "ann", OWN: "eve"}
Find = Callable[[Any, Principal, str], Awaitable[Any]]


class Asked:
    """Stands for the catalog's queries and the wait for them; ``done`` is what was done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.views = self.checkpoint = self

    async def video(self, id_: str) -> dict[str, Any] | None:
        self.done.append("video")
        shown = "private" if id_ in (HIDDEN, OWN) else "public"
        return {"user_id": OWNERS[id_], "visibility": shown} if id_ in OWNERS else None

    async def job(self, id_: str) -> dict[str, Any] | None:
        self.done.append("job")
        return {"user_id": OWNERS[id_]} if id_ in OWNERS else None

    async def wait_for_latest(self, _seconds: float) -> bool:
        self.done.append("wait")
        return True


async def _video(asked: Any, principal: Principal, id_: str) -> Any:
    return await find_visible(asked, id_, principal)


@pytest.mark.parametrize("find", [_video, jobs.find_own_job])
async def test_the_catalog_does_the_same_for_hidden_and_absent(find: Find) -> None:
    done: dict[str, list[str]] = {}
    for id_ in (HIDDEN, ABSENT):
        asked = Asked()
        with pytest.raises(NotFound):
            await find(asked, EVE, id_)
        done[id_] = asked.done
    assert done[HIDDEN] == done[ABSENT]
    assert await find(Asked(), EVE, OWN)
    if find is _video:
        assert await find(Asked(), EVE, PUBLIC)
    else:
        with pytest.raises(CinelogError) as raised:
            await find(Asked(), EVE, PUBLIC)
        assert raised.value.code == "not_your_job"


class Jobs(MemoryEventStore):
    """Stands for the transcoder's table, the wait for it, and the log."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    async def find(self, video_id: str) -> JobRecord | None:
        self.done.append("job")
        if video_id not in OWNERS:
            return None
        return JobRecord(
            video_id=video_id,
            user_id=OWNERS[video_id],
            attempt=1,
            state="failed",
            changes=0,
            correlation_id=None,
            traceparent=None,
        )

    async def wait_for_latest(self, _seconds: float) -> bool:
        self.done.append("wait")
        return True

    async def read_streams(self, stream_ids: Any) -> Any:
        self.done.append("log")
        return await super().read_streams(stream_ids)


@pytest.mark.parametrize(("method", "path"), [("POST", "/{}/retry"), ("DELETE", "/{}")])
async def test_the_transcoder_does_the_same_for_hidden_and_absent(method: str, path: str) -> None:
    keys, done, answers = StaticKeys(), {}, {}
    for id_ in (HIDDEN, ABSENT, PUBLIC):
        table: Any = Jobs()
        uploaded = VideoUploaded(
            video_id=id_,
            user_id="ann",
            title="A",
            description="",
            filename="a.mp4",
            content_type="video/mp4",
            size=1,
            source_key="k",
            visibility="public" if id_ == PUBLIC else "private",
        )
        if id_ != ABSENT:
            await table.append(stream_id("upload", id_), 0, [NewEvent(uploaded)], Metadata())
        budget = cast(RetryBudget, None)
        verifier = Verifier(keys, issuer="cinelog", audience="cinelog")
        app = create_app("transcoder", job_routes(table, table, table, budget), verifier=verifier)
        transport = httpx.ASGITransport(app=cast(Any, app))
        headers = {"authorization": f"Bearer {keys.token('eve')}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            address = "/api/v1/jobs" + path.format(id_)
            answers[id_] = (await client.request(method, address, headers=headers)).status_code
        done[id_] = table.done
    assert answers == {HIDDEN: 404, ABSENT: 404, PUBLIC: 403}
    assert done[HIDDEN] == done[ABSENT]
