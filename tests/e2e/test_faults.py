"""Kill any one process at any time: what was acknowledged is completed, once."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.product import BIKES, Person, Product, until

PROCESSES = ("gateway", "auth", "ingest", "catalog", "projector", "planner", "relay", "worker-1")


@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_costs_nothing(product: Product, person: Person, name: str) -> None:
    """Right after the upload was acknowledged, in the midst of the work that it sets off."""
    restarts = product.restarts(name)
    job = person.upload(BIKES)
    product.kill(name)
    state = person.finish(job)
    assert state["status"] == "completed", state
    until(lambda: product.restarts(name) > restarts)
    video = until(lambda: answer_of(person, f"/api/v1/streaming/id/{job}"))
    assert plays(person.client, video["video"])


def test_both_workers_killed_while_they_encode(product: Product, person: Person) -> None:
    job = person.upload(BIKES)
    until(lambda: person.job(job).get("progress", 0) > 0)
    product.kill("worker-1")
    product.kill("worker-2")
    assert person.finish(job)["status"] == "completed"


def test_an_upload_that_is_cut_is_not_acknowledged_and_can_be_repeated(
    product: Product, person: Person
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
        product.kill("ingest")
        yield clip[half:] + b"\r\n--b--\r\n"

    answer = person.client.post(
        "/api/v1/streaming/upload",
        content=body(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code in (502, 503, 504), answer.text
    assert answer.json()["success"] is False
    until(lambda: person.client.get("/ready").is_success)
    assert person.finish(person.upload(BIKES))["status"] == "completed"


def answer_of(person: Person, path: str) -> dict[str, str] | None:
    """The data of a GET, or None while it does not answer."""
    try:
        answer = person.client.get(path)
    except httpx.TransportError:
        return None
    return answer.json()["data"] if answer.is_success else None


def plays(client: httpx.Client, master: str) -> bool:
    """Whether the playlist, its first rendition and that one's first segment can be fetched."""
    uri = master
    for _ in range(3):
        answer = client.get(uri)
        assert answer.is_success, (uri, answer.status_code)
        if not urlsplit(uri).path.endswith(".m3u8"):
            return bool(answer.content)
        line = next(line for line in answer.text.splitlines() if line and not line.startswith("#"))
        uri = str(httpx.URL(uri).join(line))
    return True
