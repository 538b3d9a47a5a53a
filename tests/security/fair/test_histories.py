"""A video with a history of a hundred thousand events keeps the catalog busy for nobody else."""

import httpx
import pytest

from services.catalog.http import histories
from services.catalog.http.histories import EVENTS, EVENTS_PER_SECOND, Histories, TooMuchRead
from shared.contracts import DetailsChanged, stream_id
from shared.token_bucket import MICROS, Bucket
from tests.integration.catalog.conftest import stage
from tests.integration.catalog.stage import Stage
from tests.integration.gateway.rig import Clock

__all__ = ["stage"]


class Log:
    """Every stream has 150,000 events."""

    async def read_stream(self, stream: str, after_version: int = 0) -> list[None]:
        return [None] * (EVENTS * 3 // 2)


async def test_who_has_read_very_much_waits_and_nobody_else_does() -> None:
    clock = Clock()
    read = Histories(Log(), clock)  # pyright: ignore[reportArgumentType]
    read.check("ann")
    await read.read("ann", ["video-1"])
    with pytest.raises(TooMuchRead) as refused:
        read.check("ann")
    too_many = EVENTS // 2
    assert refused.value.retry_after == too_many // EVENTS_PER_SECOND
    read.check("bob")
    clock.now += refused.value.retry_after
    read.check("ann")

    # A command counts what it reads, also where it is refused in the end.
    async def command() -> None:
        with read.deciding("ann") as streams:
            await streams.read_stream("video-1")
            raise LookupError

    with pytest.raises(LookupError):
        await command()
    with pytest.raises(TooMuchRead), read.deciding("ann"):
        pass


async def test_a_long_history_is_not_read_again_and_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "EVENTS", 1000)
    monkeypatch.setattr(histories, "EVENTS_PER_SECOND", 1)
    monkeypatch.setattr(histories, "_BUCKET", Bucket(MICROS, 100_000))
    ann, eve, bob = [await stage.user() for _ in range(3)]
    video = await stage.ready(ann)
    changes = [DetailsChanged(video_id=video, title=f"{n}", description="") for n in range(400)]
    await stage.record(stream_id("video", video), *changes)
    await stage.settle()

    async def change(user: str, title: str) -> httpx.Response:
        body = {"title": title, "description": ""}
        return await stage.call("PUT", f"/streaming/{video}", user, json=body)

    def refused(answer: httpx.Response) -> bool:
        return answer.status_code == 429 and answer.json()["error"]["type"] == "too_much_read"

    assert [(await change(ann, f"again {n}")).status_code for n in range(3)] == [200] * 3
    last = await change(ann, "once more")
    assert refused(last)
    assert int(last.headers["retry-after"]) >= 1
    assert refused(await stage.get(f"/videos/{video}/timeline", ann))
    assert refused(await stage.get(f"/jobs/{video}/events", ann))
    # Whoever may not change it, but has it read, pays for that too.
    assert [(await change(eve, "mine")).status_code for _ in range(4)] == [403, 403, 403, 429]
    # What reads no history goes on, and so do the others.
    assert (await stage.get(f"/streaming/id/{video}", ann)).status_code == 200
    assert (await change(bob, "mine")).status_code == 403
