"""Attacks by requests that are cheap to send: many, repeated, or for very much."""

import base64
import concurrent.futures
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx

from tests.attack.scene import Account, Scene, client, ended, register, upload, working
from tests.e2e.people import PASSWORD
from tests.integration.ingest.harness import clip as small_clip

Begin = Callable[[Scene, int], AbstractContextManager[Callable[[], str]]]
"""Attacks so many times until its context ends, and says what became of it."""

_AT_ONCE = 10
_GIB = 1 << 30


def counted(answers: list[httpx.Response]) -> str:
    """How often each answer came."""
    kinds = Counter(_kind(answer) for answer in answers)
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items()))


def _kind(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['error']['type']}"
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


def patient(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """An answer to a request that is sent again where there were too many."""
    while True:
        answer = ask()
        if _kind(answer) != "429 too_many_requests":
            return answer
        time.sleep(float(answer.headers.get("retry-after", "1")))


def together(count: int, ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Many requests, some at a time."""
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, range(count)))


@contextmanager
def small_uploads(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Uploads of 14 kB at once, by as many accounts as there are threads: all are welcome."""
    clip = scene.folder / "small.mp4"
    clip.write_bytes(small_clip(14_000))
    accounts = [register(scene.url) for _ in range(_AT_ONCE)]
    answers = together(count, lambda number: upload(scene.url, accounts[number % _AT_ONCE], clip))
    yield lambda: counted(answers)


@contextmanager
def opened_uploads(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Resumable uploads of 20 GiB that nobody fills."""
    account = register(scene.url)
    with client(scene.url, account) as attacker:
        answers = together(
            count,
            lambda _: patient(
                lambda: attacker.post(
                    "/api/v1/uploads",
                    headers={
                        "tus-resumable": "1.0.0",
                        "upload-length": str(20 * _GIB),
                        "upload-metadata": f"title {_title('Huge')}",
                    },
                )
            ),
        )
    yield lambda: counted(answers)


@contextmanager
def joined_parts(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """One partial upload, joined very often."""
    account = register(scene.url)
    with client(scene.url, account) as attacker:
        partial = attacker.post(
            "/api/v1/uploads",
            headers={
                "tus-resumable": "1.0.0",
                "upload-length": "1000",
                "upload-concat": "partial",
                "content-type": "application/offset+octet-stream",
            },
            content=b"x" * 1000,
        )
        path = httpx.URL(partial.headers["location"]).path
        joined = attacker.post(
            "/api/v1/uploads",
            headers={
                "tus-resumable": "1.0.0",
                "upload-concat": "final;" + " ".join([path] * count),
                "upload-metadata": f"title {_title('Joined')}",
            },
        )
    yield lambda: counted([joined])


def _title(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def deep_pages(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """The page with the number 10^9 of every list."""
    with client(scene.url) as anybody:
        answers = [
            anybody.get(path, params={"page": 10**9, "page_size": 50, "q": "a"})
            for path in ("/api/v1/streaming/latest", "/api/v1/streaming/search")
            for _ in range(count)
        ]
    yield lambda: counted(answers)


@contextmanager
def guesses(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Wrong passwords for somebody's account, who then logs in on a device that is known."""
    with client(scene.url) as owner, client(scene.url) as attacker:
        account = _register_with(owner)
        wrong = {"username": account.name, "password": "not the password"}
        answers = [attacker.post("/api/v1/auth/login", json=wrong) for _ in range(count)]
        right = {"username": account.name, "password": PASSWORD}
        answer = owner.post("/api/v1/auth/login", json=right)
    yield lambda: f"guesses: {counted(answers)}; the owner: {answer.status_code}"


def _register_with(owner: httpx.Client) -> Account:
    """An account whose registration makes this client a known device."""
    name = register(str(owner.base_url)).name + "x"
    person = {"username": name, "password": PASSWORD, "email": f"{name}@example.com"}
    data = owner.post("/api/v1/auth/register", json=person).json()["data"]
    return Account(name, data["access_token"], data["user"]["id"])


def hostile_file(name: str, make: Callable[[Path], Path]) -> Begin:
    """An attack by one file: uploaded, and waited for until its job is over."""

    @contextmanager
    def attack(scene: Scene, _count: int) -> Iterator[Callable[[], str]]:
        file = make(scene.folder / name)
        with working(scene):
            account = register(scene.url)
            answer = upload(scene.url, account, file)
            if not answer.is_success:
                yield lambda: counted([answer])
                return
            job = answer.json()["data"]["job_id"]
            yield lambda: str(_end(ended(scene.url, account, job)))

    return attack


def _end(job: dict[str, object]) -> str:
    return f"{job['status']} {job.get('error_message') or ''}".strip()
