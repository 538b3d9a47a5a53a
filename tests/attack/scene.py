"""Where attacks happen: the whole of Cinelog with its default limits, an attacker, and others."""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from tests.e2e.people import BIKES, PASSWORD, until
from tests.support.stack import RunningStack
from tests.support.whole_stack import whole_stack

# Limits as they are by default: an empty variable is not set. Accounts are part of the scene, not
# of an attack, and are made as fast as wanted.
_OPTIONS = {
    "RATE_LIMIT_GENERAL": "",
    "RATE_LIMIT_MEDIA": "",
    "RATE_LIMIT_AUTH": "1000/s burst 5000",
    "LOGIN_BURST": "",
    "SCRATCH_RESERVE_BYTES": "0",
    "WEBHOOK_NETWORKS": "127.0.0.0/8",
}


class Account(Struct, frozen=True):
    """Somebody who is signed in."""

    name: str
    token: str
    user_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


class Scene(Struct, frozen=True):
    """``video``: one that plays, of somebody else; ``playlist``, ``segment``: where its media is.
    ``job``: a job of the attacker's that does not end. ``folder`` is for files."""

    stack: RunningStack
    attacker: Account
    video: str
    playlist: str
    segment: str
    job: str
    folder: Path

    @property
    def url(self) -> str:
        return self.stack.url

    @property
    def address(self) -> tuple[str, int]:
        """The gateway's host and port."""
        parts = urlsplit(self.stack.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


_WORKERS = ("worker-1", "worker-2")
_numbers = itertools.count(2)


def local_address() -> str:
    """An address of this machine that nobody has used yet: clients are told apart by theirs."""
    number = next(_numbers)
    return f"127.0.{1 + number // 250}.{2 + number % 250}"


def client(url: str, account: Account | None = None, *, timeout: float = 30) -> httpx.Client:
    """A client with an address of its own."""
    return httpx.Client(
        base_url=url,
        timeout=timeout,
        trust_env=False,
        transport=httpx.HTTPTransport(local_address=local_address()),
        headers=account.headers if account else None,
    )


def register(url: str) -> Account:
    """A new account."""
    name = f"person-{secrets.token_hex(4)}"
    person = {"username": name, "password": PASSWORD, "email": f"{name}@example.com"}
    with client(url) as anybody:
        answer = anybody.post("/api/v1/auth/register", json=person)
        assert answer.status_code == 201, answer.text
        data = answer.json()["data"]
    return Account(name, data["access_token"], data["user"]["id"])


def upload(url: str, account: Account, clip: Path = BIKES) -> httpx.Response:
    """Upload a file as a form."""
    with client(url, account, timeout=120) as uploader, clip.open("rb") as file:
        return uploader.post(
            "/api/v1/streaming/upload",
            data={"title": "A ride"},
            files={"video": (clip.name, file, "video/mp4")},
        )


def ended(url: str, account: Account, job: str, patience: float = 240.0) -> dict[str, object]:
    """Wait for the end of a job; its last state."""
    with client(url, account) as asking:

        def state() -> dict[str, object] | None:
            answer = asking.get(f"/api/v1/jobs/{job}")
            data = answer.json()["data"] if answer.is_success else {}
            return data if data.get("status") in ("completed", "failed") else None

        return until(state, patience)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Start everything, with default limits."""
    with whole_stack(2, _OPTIONS) as stack, place_in(stack, folder) as place:
        yield place


@contextmanager
def place_in(stack: RunningStack, folder: Path) -> Iterator[Scene]:
    """A video that plays and a job that does not end, in what runs already."""
    attacker, other = register(stack.url), register(stack.url)
    video = upload(stack.url, other).json()["data"]["job_id"]
    assert ended(stack.url, other, video)["status"] == "completed"
    with client(stack.url) as anybody:
        playlist = anybody.get(f"/api/v1/streaming/id/{video}").json()["data"]["video"]
        segment = _first_segment(anybody, playlist)
    _allow_work(stack, False)
    try:
        job = upload(stack.url, attacker).json()["data"]["job_id"]
        yield Scene(stack, attacker, video, playlist, segment, job, folder)
    finally:
        _allow_work(stack, True)


@contextmanager
def working(place: Scene) -> Iterator[None]:
    """Let the workers work meanwhile."""
    _allow_work(place.stack, True)
    try:
        yield
    finally:
        _allow_work(place.stack, False)


def _allow_work(stack: RunningStack, allowed: bool) -> None:
    # A worker that finds no room begins nothing.
    for name in _WORKERS:
        # It may be starting still.
        until(lambda name=name: stack.status(name).pid is not None)
        stack.restart_with(name, SCRATCH_RESERVE_BYTES="0" if allowed else str(1 << 60))


def _first_segment(anybody: httpx.Client, playlist: str) -> str:
    uri = httpx.URL(playlist)
    while uri.path.endswith(".m3u8"):
        lines = anybody.get(uri).text.splitlines()
        uri = uri.join(next(line for line in lines if line and not line.startswith("#")))
    return str(uri)
