"""People who use Cinelog's API, and how the tests wait for it."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.local.demo import real_clip

# A loaded machine transcodes slowly; what never comes still has to end the test.
PATIENCE = 240.0
PASSWORD = "correct horse battery staple"
BIKES = real_clip("bikes.mp4")
BUNNY = real_clip("bigbuckbunny.mp4")
# Of one rendition, for what every upload does: it takes a tenth of the time.
SMALL = real_clip("carphone_distorted.mp4")


class Person:
    """Somebody signed in."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self.client = client
        self.name = name

    def upload(self, clip: Path, title: str = "A ride") -> str:
        """Upload a file as a form; the job's id."""
        with clip.open("rb") as file:
            answer = self.client.post(
                "/api/v1/streaming/upload",
                data={"title": title, "description": "Through the city."},
                files={"video": (clip.name, file, "video/mp4")},
            )
        assert answer.status_code == 202, answer.text
        job: str = answer.json()["data"]["job_id"]
        return job

    def get(self, path: str) -> dict[str, Any] | None:
        """The data of a GET, or None while whoever answers is being restarted."""
        try:
            answer = self.client.get(path)
        except httpx.TransportError:
            return None
        return answer.json()["data"] if answer.is_success else None

    def job(self, job: str) -> dict[str, Any]:
        """The job's state; {} while whoever answers is being restarted."""
        return self.get(f"/api/v1/jobs/{job}") or {}

    def finish(self, job: str) -> dict[str, Any]:
        """Wait until the job has ended; its last state."""

        def ended() -> dict[str, Any] | None:
            state = self.job(job)
            return state if state.get("status") in ("completed", "failed") else None

        return until(ended)

    def plays(self, job: str) -> bool:
        """Whether the playlist, its first rendition and that one's first bytes can be fetched."""
        video = until(lambda: self.get(f"/api/v1/streaming/id/{job}"))
        uri = httpx.URL(video["video"])
        while True:
            answer = self.client.get(uri)
            assert answer.is_success, (uri, answer.status_code)
            if not uri.path.endswith(".m3u8"):
                return bool(answer.content)
            lines = answer.text.splitlines()
            uri = uri.join(next(line for line in lines if line and not line.startswith("#")))


@contextmanager
def sign_up(url: str, name: str = "person") -> Iterator[Person]:
    """A new person with a client of their own; ``name``: how their name begins."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        name = f"{name}-{secrets.token_hex(4)}"
        answer = client.post(
            "/api/v1/auth/register",
            json={"username": name, "password": PASSWORD, "email": f"{name}@example.com"},
        )
        assert answer.status_code == 201, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['data']['access_token']}"
        yield Person(client, name)


def until(fn: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Call ``fn`` until its answer is true, and return it."""
    deadline = time.monotonic() + patience
    while True:
        answer = fn()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {patience:.0f} s"
        time.sleep(0.1)
