"""What is private, attacked from outside: everything goes through the gateway of a whole stack."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts import new_id
from tests.e2e.people import PASSWORD, Person, sign_up, until
from tests.integration.transcoder.clips import make
from tests.support.otlp import Receiver
from tests.support.stack import RunningStack

API = "/api/v1"
FORM = f"{API}/streaming/upload"
TUS = {"tus-resumable": "1.0.0"}
# The flag at the end: its spans are exported.
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("private") / "clip.mp4", seconds=1, size="320x180")


@pytest.fixture(scope="module")
def owner(cinelog: RunningStack) -> Iterator[Person]:
    with sign_up(cinelog.url) as person:
        yield person


@pytest.fixture(scope="module")
def videos(owner: Person, clip: Path) -> dict[str, str]:
    """The ids of finished videos, by their visibility from their first byte on."""
    found = {
        visibility: upload(owner, clip, f"concealed {visibility}", visibility=visibility)
        for visibility in ("public", "unlisted", "private", "draft")
    }
    for video in found.values():
        assert owner.finish(video)["status"] == "completed"
    return found


@pytest.fixture
def anyone(cinelog: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cinelog.url, timeout=60, trust_env=False) as client:
        yield client


def upload(person: Person, clip: Path, title: str, **fields: str) -> str:
    with clip.open("rb") as file:
        answer = person.client.post(
            FORM, data={"title": title, **fields}, files={"video": (clip.name, file, "video/mp4")}
        )
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["job_id"]


def lists(client: httpx.Client, owner_id: str) -> str:
    """All that somebody can list of an owner's videos."""
    paths = (
        *("/streaming/latest?page_size=50", "/streaming/search?q=concealed&page_size=50", "/tags"),
        *("/tags/concealed-tag/videos", f"/users/{owner_id}/videos", f"/users/id/{owner_id}"),
        *("/events", "/jobs"),
    )
    return " ".join(client.get(API + path).text for path in paths)


def user_id(person: Person) -> str:
    return person.client.get(f"{API}/users/me").json()["data"]["id"]


# Route, and the statuses of another's request: for a public video, and for a hidden one.
OTHERS: list[tuple[str, str, Any, int, int]] = [
    ("GET", "/streaming/id/{}", None, 200, 404),
    ("PATCH", "/streaming/views/{}", None, 200, 404),
    ("PUT", "/streaming/{}", {"title": "x", "description": ""}, 403, 404),
    ("DELETE", "/streaming/{}", None, 403, 404),
    ("PATCH", "/streaming/{}/visibility", {"visibility": "public"}, 403, 404),
    ("POST", "/tags/{}", {"tags": ["a"]}, 403, 404),
    ("DELETE", "/tags/{}", {"tag": "a"}, 403, 404),
    ("GET", "/jobs/{}", None, 403, 404),
    ("GET", "/jobs/{}/events", None, 403, 404),
    ("DELETE", "/jobs/{}", None, 403, 404),
    ("POST", "/jobs/{}/retry", None, 403, 404),
    ("GET", "/videos/{}/timeline", None, 403, 404),
    ("HEAD", "/uploads/{}", None, 404, 404),
    ("PATCH", "/uploads/{}", None, 404, 404),
    ("DELETE", "/uploads/{}", None, 404, 404),
    ("POST", "/uploads/direct/{}/complete", None, 404, 404),
]
TUS_PATCH = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}


@pytest.mark.parametrize(("method", "path", "body", "shown", "hidden"), OTHERS)
def test_a_hidden_video_does_not_exist_for_others(
    cinelog: RunningStack,
    anyone: httpx.Client,
    videos: dict[str, str],
    method: str,
    path: str,
    body: Any,
    shown: int,
    hidden: int,
) -> None:
    headers = TUS | (TUS_PATCH if method == "PATCH" and "/uploads" in path else {})
    with sign_up(cinelog.url) as other:
        for visibility, video in videos.items():
            expected = shown if visibility in {"public", "unlisted"} else hidden
            answer = other.client.request(
                method, API + path.format(video), json=body, headers=headers
            )
            assert answer.status_code == expected, (visibility, answer.text)
            nobody = anyone.request(method, API + path.format(video), json=body, headers=headers)
            public = path.startswith(("/streaming/id", "/streaming/views"))
            assert nobody.status_code == (expected if public else 401), visibility
            if expected == 404 and method != "HEAD":
                absent = other.client.request(
                    method, API + path.format(new_id()), json=body, headers=headers
                )
                without_trace = [
                    {**found.json()["error"], "trace_id": ""} for found in (answer, absent)
                ]
                assert without_trace[0] == without_trace[1]


def test_nothing_lists_what_is_hidden(
    cinelog: RunningStack, owner: Person, anyone: httpx.Client, videos: dict[str, str]
) -> None:
    owner_id = user_id(owner)
    tags = {"tags": ["concealed-tag"]}
    for visibility in ("unlisted", "private", "draft"):
        video = videos[visibility]
        assert owner.client.post(f"{API}/tags/{video}", json=tags).status_code == 200
    with sign_up(cinelog.url) as other:
        for client in (anyone, other.client):
            found = lists(client, owner_id)
            assert videos["public"] in found
            assert "concealed-tag" not in found
            for visibility in ("unlisted", "private", "draft"):
                assert videos[visibility] not in found, visibility
    assert all(video in lists(owner.client, owner_id) for video in videos.values())


def test_media_of_a_hidden_video_need_a_grant_of_its_own(
    owner: Person, anyone: httpx.Client, videos: dict[str, str]
) -> None:
    def playlist(visibility: str) -> httpx.URL:
        answer = owner.client.get(f"{API}/streaming/id/{videos[visibility]}")
        return httpx.URL(answer.json()["data"]["video"])

    for visibility in ("private", "draft"):
        url = playlist(visibility)
        assert anyone.get(url).status_code == 200
        _, media, grant, video, *rest = url.path.split("/")
        assert (media, video) == ("media", videos[visibility])
        other = "draft" if visibility == "private" else "private"
        foreign = playlist(other).path.split("/")[2]
        for token in ("public", foreign, grant[:-1], "x", f"{grant}x"):
            path = "/".join(["", media, token, video, *rest])
            assert anyone.get(path).status_code == 404, token


def test_a_deleted_account_is_gone_with_the_answer(
    cinelog: RunningStack, anyone: httpx.Client, clip: Path
) -> None:
    with sign_up(cinelog.url) as leaver:
        id_ = user_id(leaver)
        finished = upload(leaver, clip, "concealed leaving")
        leaver.finish(finished)
        going_on = upload(leaver, clip, "concealed leaving too", visibility="private")
        until(lambda: finished in lists(anyone, id_))
        playlist = anyone.get(f"{API}/streaming/id/{finished}").json()["data"]["video"]
        assert anyone.get(playlist).status_code == 200

        answer = leaver.client.delete(f"{API}/users/{id_}")
        assert answer.status_code == 200, answer.text

        # Nothing is waited for from here on.
        for path in (
            *(f"/users/id/{id_}", f"/users/username/{leaver.name}", f"/users/{id_}/videos"),
            *(f"/streaming/id/{finished}", f"/streaming/id/{going_on}"),
        ):
            assert anyone.get(API + path).status_code == 404, path
        assert anyone.get(playlist).status_code == 404
        listed = lists(anyone, id_)
        assert finished not in listed
        assert going_on not in listed
        # Its token is valid for minutes by its signature.
        with clip.open("rb") as file:
            form = leaver.client.post(
                FORM, data={"title": "x"}, files={"video": ("a.mp4", file, "video/mp4")}
            )
        assert form.status_code == 401
        creation = TUS | {"upload-length": "1"}
        refused = (
            leaver.client.post(f"{API}/uploads", headers=creation),
            leaver.client.post(f"{API}/uploads/direct", json={"title": "x", "size": 1}),
            leaver.client.get(f"{API}/jobs/{going_on}"),
            leaver.client.get(f"{API}/jobs/{going_on}/events"),
            leaver.client.get(f"{API}/videos/{going_on}/timeline"),
            leaver.client.delete(f"{API}/jobs/{going_on}"),
            leaver.client.post(f"{API}/jobs/{going_on}/retry"),
            leaver.client.get(f"{API}/events"),
            leaver.client.get(f"{API}/webhooks"),
            leaver.client.get(f"{API}/users/me"),
        )
        assert [answer.status_code for answer in refused] == [401] * len(refused)


def test_the_next_read_shows_what_was_written(
    cinelog: RunningStack, anyone: httpx.Client, clip: Path
) -> None:
    """Through another service than that which has written it."""
    for number in range(3):
        with sign_up(cinelog.url) as person:
            client = person.client
            assert anyone.get(f"{API}/users/username/{person.name}").status_code == 200
            id_ = user_id(person)
            job = upload(person, clip, f"Written {number}")
            shown = client.get(f"{API}/jobs/{job}").json()["data"]
            assert (shown["title"], shown["stage"]) != (f"Written {number}", "uploading")
            own = client.get(f"{API}/users/{id_}/videos").json()["data"]
            assert [video["id"] for video in own["data"]] == [job]
            email = f"new-{person.name}@example.com"
            assert client.patch(f"{API}/users/email", json={"email": email}).status_code == 200
            assert client.get(f"{API}/users/id/{id_}").json()["data"]["email"] == email
            details = {"title": "Changed", "description": ""}
            assert client.put(f"{API}/streaming/{job}", json=details).status_code == 200
            own = client.get(f"{API}/users/{id_}/videos").json()["data"]["data"]
            assert [video["title"] for video in own] == ["Changed"]
            cancelled = client.delete(f"{API}/jobs/{job}")
            state = client.get(f"{API}/jobs/{job}").json()["data"]["status"]
            assert state == ("failed" if cancelled.is_success else "completed")
            assert client.delete(f"{API}/streaming/{job}").status_code == 200
            for path in (f"/jobs/{job}", f"/streaming/id/{job}", f"/videos/{job}/timeline"):
                assert client.get(API + path).status_code == 404, path
            assert client.post(f"{API}/jobs/{job}/retry").status_code == 404
            assert client.get(f"{API}/users/{id_}/videos").json()["data"]["data"] == []


def test_the_default_visibility_counts_for_the_next_upload(
    cinelog: RunningStack, anyone: httpx.Client, clip: Path
) -> None:
    with sign_up(cinelog.url) as person:
        for visibility in ("draft", "unlisted", "private"):
            body = {"default_visibility": visibility}
            assert person.client.patch(f"{API}/users/me", json=body).status_code == 200
            job = upload(person, clip, "By default")
            shown = person.client.get(f"{API}/streaming/id/{job}").json()["data"]
            assert shown["visibility"] == visibility
            answer = anyone.get(f"{API}/streaming/id/{job}")
            assert answer.status_code == (200 if visibility == "unlisted" else 404)


def test_a_draft_is_published_at_its_time(
    cinelog: RunningStack, anyone: httpx.Client, owner: Person, videos: dict[str, str]
) -> None:
    """Also where the process that would do it is killed before."""
    video = videos["draft"]
    at = time.time() + 6
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    body = {"visibility": "draft", "publish_at": moment}
    changed = owner.client.patch(f"{API}/streaming/{video}/visibility", json=body)
    assert changed.status_code == 200, changed.text
    cinelog.kill("projector")
    assert anyone.get(f"{API}/streaming/id/{video}").status_code == 404
    until(lambda: anyone.get(f"{API}/streaming/id/{video}").status_code == 200)
    assert time.time() >= int(at)
    until(lambda: video in lists(anyone, user_id(owner)))
    hidden = {"visibility": "draft"}
    assert owner.client.patch(f"{API}/streaming/{video}/visibility", json=hidden).is_success


def test_no_secret_reaches_a_log_or_a_span(
    cinelog: RunningStack, telemetry: Receiver, anyone: httpx.Client, videos: dict[str, str]
) -> None:
    """Every route is driven with secrets in paths, queries, headers and bodies."""
    traced = {"traceparent": TRACEPARENT}
    name = f"secretive-{new_id()[-8:]}"
    password, email = f"{PASSWORD} {new_id()}", f"{name}@example.com"
    account = {"username": name, "password": password}
    made = anyone.post(f"{API}/auth/register", json={**account, "email": email}, headers=traced)
    tokens = made.json()["data"]
    logged_in = anyone.post(f"{API}/auth/login", json=account, headers=traced).json()["data"]
    refresh = {"refresh_token": logged_in["refresh_token"]}
    renewed = anyone.post(f"{API}/auth/refresh", json=refresh, headers=traced).json()["data"]
    access = tokens["access_token"]
    me = traced | {"authorization": f"Bearer {access}"}
    hook = {"url": "https://hooks.example.com/in?key=query-secret-1", "types": []}
    webhook = anyone.post(f"{API}/webhooks", json=hook, headers=me).json()["data"]
    rotated = anyone.post(f"{API}/webhooks/{webhook['id']}/secret", headers=me).json()["data"]
    encoded = base64.b64encode(b"metadata-secret-2").decode()
    upload_headers = me | TUS | {"upload-length": "9", "upload-metadata": f"title {encoded}"}
    anyone.post(f"{API}/uploads", headers=upload_headers)
    grant = f"{int(time.time()) + 3600:x}.{new_id()}.{'Ab3-_' * 8}xyz"
    refreshed = renewed["refresh_token"]
    for value in (grant, access, refreshed):
        for path in (
            f"/media/{value}/{videos['private']}/master.m3u8",
            f"/media%2F{value}%2Fx",
            f"/{value}",
            f"{API}/streaming/id/{value}",
            f"{API}/streaming/latest?cursor={value}",
            f"{API}/streaming/search?q={value}",
            f"{API}/users/username/{value}",
            f"{API}/tags/{value}/videos",
            f"{API}/jobs/{value}/events?token={value}",
            f"{API}/webhooks/{value}",
        ):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                anyone.request(method, path, headers=me, json={"secret": value})
    for broken in (b"{", b"\xff", json.dumps({"password": password, "x": 1}).encode()):
        headers = me | {"content-type": "application/json"}
        anyone.post(f"{API}/auth/login", content=broken, headers=headers)
        anyone.patch(f"{API}/users/password", content=broken, headers=headers)

    secrets = {
        *(password, email, access, logged_in["access_token"], renewed["access_token"]),
        *(tokens["refresh_token"], logged_in["refresh_token"], refreshed, grant),
        *(grant.rpartition(".")[2], webhook["secret"], rotated["secret"]),
        *("query-secret-1", "metadata-secret-2", encoded),
    }
    until(lambda: len(telemetry.trace(TRACEPARENT[3:35])) > 100)
    logs = b"".join(path.read_bytes() for path in cinelog.logs.glob("*.log"))
    assert b"request" in logs
    exports = telemetry.exports
    for secret in secrets:
        assert secret.encode() not in logs, secret
        assert secret.encode() not in exports, secret
