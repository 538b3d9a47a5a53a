"""Kill any one process at any time: what was acknowledged is completed."""

from collections.abc import Iterator

import pytest

from tests.e2e.people import BIKES, SMALL, Person, until
from tests.support.stack import RunningStack

PROCESSES = ("gateway", "auth", "ingest", "catalog", "projector", "planner", "relay", "worker-1")


@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_costs_nothing(cinelog: RunningStack, person: Person, name: str) -> None:
    """Right after the upload was acknowledged, in the midst of the work that it sets off."""
    job = person.upload(SMALL)
    killed = cinelog.kill(name)
    assert person.finish(job)["status"] == "completed"
    until(lambda: cinelog.is_back(name, killed))
    assert person.plays(job)


def test_both_workers_killed_while_they_encode(cinelog: RunningStack, person: Person) -> None:
    job = person.upload(BIKES)
    until(lambda: person.job(job).get("progress", 0) > 0)
    cinelog.kill("worker-1")
    cinelog.kill("worker-2")
    assert person.finish(job)["status"] == "completed"
    assert person.plays(job)


def test_an_upload_that_is_cut_is_not_acknowledged_and_can_be_repeated(
    cinelog: RunningStack, person: Person
) -> None:
    clip = BIKES.read_bytes()
    half = len(clip) // 2

    def body() -> Iterator[bytes]:
        yield (
            b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nCut\r\n'
            b'--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n'
            b"Content-Type: video/mp4\r\n\r\n"
        )
        yield clip[:half]
        cinelog.kill("ingest")
        yield clip[half:] + b"\r\n--b--\r\n"

    answer = person.client.post(
        "/api/v1/streaming/upload",
        content=body(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code in (502, 503, 504), answer.text
    assert answer.json()["success"] is False
    until(lambda: person.client.get("/ready").is_success)
    assert person.finish(person.upload(SMALL))["status"] == "completed"
