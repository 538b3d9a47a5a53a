"""What services make of the address that a request came to: links in its own answer only."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.people import PASSWORD, Person, sign_up
from tests.integration.transcoder.clips import make
from tests.support.stack import RunningStack

API = "/api/v1"
EVIL = "evil.example"


@pytest.fixture(scope="module")
def owner(cinelog: RunningStack) -> Iterator[Person]:
    with sign_up(cinelog.url) as person:
        yield person


@pytest.fixture(scope="module")
def video(owner: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    clip = make(tmp_path_factory.mktemp("hosts") / "clip.mp4", seconds=1, size="320x180")
    video = owner.upload(Path(clip), "An address")
    assert owner.finish(video)["status"] == "completed"
    return video


def ask(
    cinelog: RunningStack,
    person: Person,
    method: str,
    target: str,
    host: str,
    body: Any,
    **more: str,
) -> bytes:
    """The whole answer to a request whose target and Host may differ."""
    address = httpx.URL(cinelog.url)
    content = b"" if body is None else json.dumps(body).encode()
    headers = {
        "host": host,
        "connection": "close",
        "authorization": person.client.headers["authorization"],
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    if content or method != "GET":
        headers["content-length"] = str(len(content))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((address.host, address.port or 80), timeout=60) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + content)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def requests(person: Person, video: str) -> list[tuple[str, str, Any, dict[str, str]]]:
    tus = {"tus_resumable": "1.0.0", "upload_length": "100"}
    draft = {"upload_draft_interop_version": "8", "upload_complete": "?0", "upload_length": "9"}
    login = {"username": person.name, "password": PASSWORD}
    return [
        ("GET", f"{API}/streaming/latest", None, {}),
        ("GET", f"{API}/streaming/id/{video}", None, {}),
        ("GET", f"{API}/users/me", None, {}),
        ("GET", f"{API}/users/username/{person.name}", None, {}),
        ("PUT", f"{API}/streaming/{video}", {"title": "An address", "description": ""}, {}),
        ("GET", f"{API}/jobs/{video}", None, {}),
        ("GET", f"{API}/events", None, {}),
        ("POST", f"{API}/auth/login", login, {}),
        ("POST", f"{API}/auth/login", {**login, "session_in": "cookie"}, {}),
        ("POST", f"{API}/uploads", None, tus),
        ("POST", f"{API}/uploads", None, draft),
        ("POST", f"{API}/uploads/direct", {"title": "x", "size": 100}, {}),
        ("GET", "/", None, {}),
        ("GET", "/docs", None, {}),
        ("GET", "/docs/openapi.json", None, {}),
        ("GET", f"/media/public/{video}/none.m3u8", None, {}),
    ]


def test_the_host_of_a_target_is_in_no_answer(
    cinelog: RunningStack, owner: Person, video: str
) -> None:
    host = httpx.URL(cinelog.url).netloc.decode()
    for method, path, body, more in requests(owner, video):
        answer = ask(cinelog, owner, method, f"http://{EVIL}{path}", host, body, **more)
        assert EVIL.encode() not in answer, (method, path, answer)


def test_links_to_an_invented_host_are_in_no_answer_that_others_get(
    cinelog: RunningStack, owner: Person, video: str
) -> None:
    """Without PUBLIC_URL, whoever invents a host gets links to it, and nobody else does."""
    for method, path, body, more in requests(owner, video):
        head, _, content = ask(cinelog, owner, method, path, EVIL, body, **more).partition(
            b"\r\n\r\n"
        )
        # No redirect, cookie or address of an upload.
        assert EVIL.encode() not in head, (method, path, head)
        if EVIL.encode() in content:
            links = [line for line in head.lower().split(b"\r\n") if b"cache-control" in line]
            assert method != "GET" or links == [b"cache-control: private, no-cache"], (path, head)
    with httpx.Client(base_url=cinelog.url, trust_env=False) as others:
        for _, path, _, _ in requests(owner, video)[:4]:
            assert EVIL not in others.get(path).text
