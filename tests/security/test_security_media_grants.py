"""How long media can be fetched: 5 s at most after what ends a grant, whatever that is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.people import PASSWORD, Person, sign_up
from tests.integration.transcoder.clips import make
from tests.support.stack import RunningStack

API = "/api/v1"
SECONDS = 5.0
NEW_PASSWORD = "another horse, another staple"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("grants") / "clip.mp4", seconds=1, size="320x180")


@pytest.fixture
def owner(cinelog: RunningStack) -> Iterator[Person]:
    with sign_up(cinelog.url) as person:
        yield person


@pytest.fixture
def anyone(cinelog: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cinelog.url, timeout=60, trust_env=False) as client:
        yield client


@contextmanager
def another_session(owner: Person, password: str = PASSWORD) -> Iterator[httpx.Client]:
    """The owner, logged in elsewhere."""
    with httpx.Client(base_url=owner.client.base_url, timeout=60, trust_env=False) as client:
        login = {"username": owner.name, "password": password}
        answer = client.post(f"{API}/auth/login", json=login)
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['data']['access_token']}"
        yield client


def upload(owner: Person, clip: Path, visibility: str) -> str:
    video = owner.upload(clip, "Media that end")
    hide(owner.client, video, visibility)
    assert owner.finish(video)["status"] == "completed"
    return video


def hide(client: httpx.Client, video: str, visibility: str) -> None:
    answer = client.patch(f"{API}/streaming/{video}/visibility", json={"visibility": visibility})
    assert answer.status_code == 200, answer.text


def addresses(asking: httpx.Client, fetching: httpx.Client, video: str) -> dict[str, str]:
    """All addresses of a video's media that a session finds; of each its ETag."""
    data = asking.get(f"{API}/streaming/id/{video}").json()["data"]
    names = ("video", "thumbnail", "storyboard", "preview", "dash")
    found: dict[str, str] = {}
    waiting = [data[name] for name in names if data[name]]
    while waiting:
        url = waiting.pop()
        answer = fetching.get(url)
        assert answer.status_code == 200, url
        found[url] = answer.headers["etag"]
        if url.endswith(".m3u8"):
            lines = (line for line in answer.text.splitlines() if line and line[0] != "#")
            waiting += [str(httpx.URL(url).join(line)) for line in lines if line not in found]
    kinds = {url.rpartition(".")[2] for url in found}
    assert kinds >= {"m3u8", "mpd", "webp"}
    assert kinds & {"m4s", "mp4"}
    return found


def end(anyone: httpx.Client, media: dict[str, str], ending: Callable[[], object]) -> None:
    """After ``ending`` none can be fetched, by no kind of request."""
    ending()
    deadline = time.monotonic() + SECONDS
    for url, etag in media.items():
        while anyone.get(url).status_code != 404:
            assert time.monotonic() < deadline, url
            time.sleep(0.1)
        for headers in ({"if-none-match": etag}, {"range": "bytes=0-0"}, {"if-none-match": "*"}):
            assert anyone.get(url, headers=headers).status_code == 404, (url, headers)
        assert anyone.head(url).status_code == 404, url


def of_the_session(client: httpx.Client) -> str:
    sessions = client.get(f"{API}/users/me/sessions").json()["data"]
    return next(session["id"] for session in sessions if session["current"])


@pytest.mark.parametrize("visibility", ["private", "draft"])
def test_grants_end_with_their_session_whatever_ends_it(
    owner: Person, anyone: httpx.Client, clip: Path, visibility: str
) -> None:
    video = upload(owner, clip, visibility)
    kept = addresses(owner.client, anyone, video)

    def change_password() -> None:
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert owner.client.patch(f"{API}/users/password", json=change).status_code == 200

    with another_session(owner) as other:
        media = addresses(other, anyone, video)
        end(anyone, media, lambda: other.post(f"{API}/auth/logout").raise_for_status())
    with another_session(owner) as other:
        media, session = addresses(other, anyone, video), of_the_session(other)
        revoke = f"{API}/users/me/sessions/{session}"
        end(anyone, media, lambda: owner.client.delete(revoke).raise_for_status())
    with another_session(owner) as other:
        media = addresses(other, anyone, video)
        end(anyone, media, change_password)
    # Those of the session that goes on do, too.
    assert {anyone.get(url).status_code for url in kept} == {200}
    with another_session(owner, NEW_PASSWORD) as other:
        media = addresses(other, anyone, video)
        everywhere = f"{API}/users/me/sessions"
        end(anyone, kept | media, lambda: other.delete(everywhere).raise_for_status())
    with another_session(owner, NEW_PASSWORD) as other:
        media = addresses(other, anyone, video)
        end(anyone, media, lambda: other.delete(f"{API}/streaming/{video}").raise_for_status())


@pytest.mark.parametrize("shown", ["public", "unlisted"])
def test_what_everybody_may_fetch_ends_when_the_video_is_hidden(
    owner: Person, anyone: httpx.Client, clip: Path, shown: str
) -> None:
    video = upload(owner, clip, shown)
    for hidden in ("private", "draft"):
        media = addresses(anyone, anyone, video)
        end(anyone, media, lambda to=hidden: hide(owner.client, video, to))
        hide(owner.client, video, shown)
    media = addresses(anyone, anyone, video)
    end(anyone, media, lambda: owner.client.delete(f"{API}/streaming/{video}").raise_for_status())


def test_grants_end_with_the_account(owner: Person, anyone: httpx.Client, clip: Path) -> None:
    video = upload(owner, clip, "private")
    with another_session(owner) as other:
        media = addresses(owner.client, anyone, video) | addresses(other, anyone, video)
        user = other.get(f"{API}/users/me").json()["data"]["id"]
        end(anyone, media, lambda: other.delete(f"{API}/users/{user}").raise_for_status())
