"""A result that is made is not thrown away because the database is away for a moment."""

from typing import Any, cast

import pytest

from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.scheduler.tasks import LEASE_SECONDS
from services.transcoder.worker import worker as workers
from services.transcoder.worker.worker import Worker
from shared.contracts import TranscodeProgressed
from shared.database.connect import CONNECT_SECONDS, QUICK_SECONDS
from shared.errors import Unavailable
from shared.loops.loops import RETRY_SECONDS

EVENT = TranscodeProgressed(video_id="v", attempt=1, percent=1, stage="encoding")
TASK = ClaimedTask(
    task_id="v/1/a",
    video_id="v",
    user_id="u",
    attempt=1,
    kind="audio",
    spec={},
    dispatch=1,
    tries=1,
    plan=None,
    source_key="v/source",
    size=1,
    correlation_id=None,
    traceparent=None,
)


class Context:
    store = None
    name = "w"


def recording(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[str]:
    """Let appends fail so, one after the other; returns the videos of all that were tried."""
    left, tried = list(errors), []

    async def record(_store: object, video_id: str, *_: Any) -> None:
        tried.append(video_id)
        if left:
            raise left.pop(0)

    monkeypatch.setattr(workers, "record", record)
    monkeypatch.setattr(workers, "HEARTBEAT_SECONDS", 0)
    return tried


def worker() -> Worker:
    nothing = cast("Any", None)
    return Worker(cast("Any", Context()), nothing, nothing, nothing, 1)


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), Unavailable("away")])
async def test_a_result_is_recorded_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tried = recording(monkeypatch, error, error)
    await worker()._record(TASK, EVENT)
    assert tried == ["v"] * 3


async def test_not_for_ever_and_not_after_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = recording(monkeypatch, *(TimeoutError() for _ in range(9)))
    with pytest.raises(TimeoutError):
        await worker()._record(TASK, EVENT)
    assert tried == ["v"] * 3
    tried = recording(monkeypatch, ValueError("a fault of ours"))
    with pytest.raises(ValueError, match="ours"):
        await worker()._record(TASK, EVENT)
    assert tried == ["v"]


def test_a_lease_outlives_a_connection_that_went_silent() -> None:
    """A beat is lost, its loop waits, and the next one goes over a new connection."""
    lost = workers.HEARTBEAT_SECONDS + QUICK_SECONDS + RETRY_SECONDS
    assert lost + CONNECT_SECONDS < LEASE_SECONDS
