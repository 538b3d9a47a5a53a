"""Every route of the service that Cinelog replaces, through the gateway: shapes and statuses."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.people import BIKES, PASSWORD, SMALL, Person, sign_up, until
from tests.support.stack import RunningStack

API = "/api/v1"
NOBODY = "01a20000-0000-7000-8000-000000000000"
WEB_DOCUMENT = Path(__file__).resolve().parents[2] / "web" / "openapi.json"


@pytest.fixture(scope="module")
def owner(cinelog: RunningStack) -> Iterator[Person]:
    with sign_up(cinelog.url) as person:
        yield person


@pytest.fixture(scope="module")
def video(owner: Person) -> str:
    """A finished video of the owner's."""
    job = owner.upload(BIKES, "Ölfässer am Hafen")
    assert owner.finish(job)["status"] == "completed"
    return job


@pytest.fixture
def anyone(cinelog: RunningStack) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=cinelog.url, timeout=60, trust_env=False) as client:
        yield client


def data(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is True
    assert "error" not in body
    return body.get("data")


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is False
    assert "data" not in body
    assert body["error"]["code"] == status
    assert body["error"]["message"]
    assert body["error"]["type"]
    assert body["error"]["trace_id"]


def newcomer() -> dict[str, str]:
    name = f"p-{secrets.token_hex(5)}"
    return {"username": name, "password": PASSWORD, "email": f"{name}@example.com"}


def test_register(anyone: httpx.Client) -> None:
    person = newcomer()
    made = data(anyone.post(f"{API}/auth/register", json=person), 201)
    assert {"access_token", "refresh_token", "user"} <= made.keys()
    assert made["user"]["username"] == person["username"]
    assert made["user"]["email"] == person["email"]
    assert made["user"]["videos"] == []
    refused(anyone.post(f"{API}/auth/register", json=person), 409)
    for field, bad in (("username", "ab"), ("password", "short"), ("email", "nowhere")):
        refused(anyone.post(f"{API}/auth/register", json={**newcomer(), field: bad}), 400)
    refused(anyone.post(f"{API}/auth/register", content=b"{"), 400)


def test_login_refresh_logout(anyone: httpx.Client) -> None:
    person = newcomer()
    data(anyone.post(f"{API}/auth/register", json=person), 201)
    login = {"username": person["username"], "password": PASSWORD}
    tokens = data(anyone.post(f"{API}/auth/login", json=login))
    assert tokens["user"] == person["username"]
    wrong = anyone.post(f"{API}/auth/login", json={**login, "password": "not the password"})
    unknown = anyone.post(f"{API}/auth/login", json={**login, "username": "nobody-at-all"})
    refused(wrong, 401)
    refused(unknown, 401)
    assert wrong.json()["error"]["message"] == unknown.json()["error"]["message"]
    refused(anyone.post(f"{API}/auth/login", json={}), 400)
    fresh = data(
        anyone.post(f"{API}/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    )
    refused(anyone.post(f"{API}/auth/refresh", json={"refresh_token": "made-up"}), 401)
    refused(anyone.post(f"{API}/auth/refresh", json={}), 400)
    bearer = {"authorization": f"Bearer {fresh['access_token']}"}
    assert data(anyone.post(f"{API}/auth/logout", headers=bearer))["message"]
    refused(anyone.post(f"{API}/auth/logout"), 401)
    refused(anyone.post(f"{API}/auth/refresh", json={"refresh_token": fresh["refresh_token"]}), 401)


def test_users(owner: Person, anyone: httpx.Client, video: str) -> None:
    by_name = data(anyone.get(f"{API}/users/username/{owner.name}"))
    assert "email" not in by_name
    assert [entry["id"] for entry in by_name["videos"]] == [video]
    by_id = data(anyone.get(f"{API}/users/id/{by_name['id']}"))
    assert by_id["username"] == owner.name
    mine = data(owner.client.get(f"{API}/users/id/{by_name['id']}"))
    assert mine["email"] == f"{owner.name}@example.com"
    refused(anyone.get(f"{API}/users/id/{NOBODY}"), 404)
    refused(anyone.get(f"{API}/users/username/nobody-at-all"), 404)


def test_changing_and_deleting_an_account(cinelog: RunningStack, owner: Person) -> None:
    with sign_up(cinelog.url) as person:
        client = person.client
        address = f"{secrets.token_hex(5)}@example.com"
        data(client.patch(f"{API}/users/email", json={"email": address}))
        refused(client.patch(f"{API}/users/email", json={"email": "nowhere"}), 400)
        taken = {"email": f"{owner.name}@example.com"}
        refused(client.patch(f"{API}/users/email", json=taken), 409)
        change = {"current_password": PASSWORD, "new_password": "another good password"}
        wrong = {**change, "current_password": "not the password"}
        refused(client.patch(f"{API}/users/password", json=wrong), 400)
        refused(client.patch(f"{API}/users/password", json={**change, "new_password": "x"}), 400)
        data(client.patch(f"{API}/users/password", json=change))
        login = {"username": person.name, "password": change["new_password"]}
        token = data(client.post(f"{API}/auth/login", json=login))["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        own = data(client.get(f"{API}/users/username/{person.name}"))["id"]
        other = data(client.get(f"{API}/users/username/{owner.name}"))["id"]
        refused(client.delete(f"{API}/users/{other}"), 403)
        refused(client.delete(f"{API}/users/{NOBODY}"), 404)
        data(client.delete(f"{API}/users/{own}"))
        until(lambda: client.get(f"{API}/users/username/{person.name}").status_code == 404)
    with httpx.Client(base_url=cinelog.url, trust_env=False) as anyone:
        for method, path in (
            ("PATCH", "email"),
            ("PATCH", "password"),
            ("DELETE", NOBODY),
        ):
            refused(anyone.request(method, f"{API}/users/{path}", json={}), 401)


def test_upload_and_job(owner: Person, anyone: httpx.Client, video: str) -> None:
    form = {"title": "T", "description": ""}
    clip = ("a.mp4", BIKES.read_bytes(), "video/mp4")
    refused(anyone.post(f"{API}/streaming/upload", data=form, files={"video": clip}), 401)
    client = owner.client
    refused(client.post(f"{API}/streaming/upload", data={}, files={"video": clip}), 400)
    refused(
        client.post(f"{API}/streaming/upload", data=form, files={"video": ("a.mp4", b"text" * 99)}),
        400,
    )
    refused(client.post(f"{API}/streaming/upload", data=form), 400)
    job = data(client.get(f"{API}/jobs/{video}"))
    assert job["id"] == job["video_id"] == video
    assert {"user_id", "status", "title", "description", "created_at", "updated_at"} <= job.keys()
    assert job["status"] == "completed"
    assert job["progress"] == 100
    refused(anyone.get(f"{API}/jobs/{video}"), 401)
    refused(client.get(f"{API}/jobs/{NOBODY}"), 404)


def test_videos(owner: Person, anyone: httpx.Client, video: str) -> None:
    found = data(anyone.get(f"{API}/streaming/id/{video}"))
    expected = {"id", "video", "title", "description", "user_id", "duration", "thumbnail"}
    assert expected | {"views", "tags", "CreatedAt", "UpdatedAt"} <= found.keys()
    assert found["duration"] == "10s"
    for url in (found["video"], found["thumbnail"]):
        assert anyone.get(url).status_code == 200
    page = data(anyone.get(f"{API}/streaming/latest", params={"page": 0, "page_size": 999}))
    assert (page["page"], page["page_size"]) == (1, 50)
    assert video in [entry["id"] for entry in page["data"]]
    assert page["total"] >= 1
    for words in ("olfasser", "Hafen", "haf", "Ölfäser"):
        page = data(anyone.get(f"{API}/streaming/search", params={"q": words}))
        assert video in [entry["id"] for entry in page["data"]], words
    refused(anyone.get(f"{API}/streaming/search"), 400)
    seen = data(anyone.patch(f"{API}/streaming/views/{video}"))
    assert seen["views"] == found["views"] + 1
    for method, path in (("GET", "id"), ("PATCH", "views")):
        refused(anyone.request(method, f"{API}/streaming/{path}/{NOBODY}"), 404)


def test_what_only_the_owner_may_do(
    cinelog: RunningStack, owner: Person, anyone: httpx.Client, video: str
) -> None:
    details = {"title": "Ölfässer", "description": "Am Abend."}
    tags = {"tags": ["harbour", "evening"]}
    requests: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
        ("PUT", f"{API}/streaming/{{}}", details),
        ("POST", f"{API}/tags/{{}}", tags),
        ("DELETE", f"{API}/tags/{{}}", {"tag": "evening"}),
        ("DELETE", f"{API}/streaming/{{}}", None),
    )
    with sign_up(cinelog.url) as stranger:
        for method, path, body in requests:
            refused(anyone.request(method, path.format(video), json=body), 401)
            refused(stranger.client.request(method, path.format(video), json=body), 403)
            refused(owner.client.request(method, path.format(NOBODY), json=body), 404)
        refused(stranger.client.get(f"{API}/jobs/{video}"), 403)
    client = owner.client
    refused(client.put(f"{API}/streaming/{video}", json={**details, "title": ""}), 400)
    assert data(client.put(f"{API}/streaming/{video}", json=details))["title"] == "Ölfässer"
    refused(client.post(f"{API}/tags/{video}", json={"tags": []}), 400)
    assert data(client.post(f"{API}/tags/{video}", json=tags))["message"]
    names = [tag["name"] for tag in data(anyone.get(f"{API}/tags"))]
    assert {"harbour", "evening"} <= set(names)
    page = data(anyone.get(f"{API}/tags/harbour/videos"))
    assert [entry["id"] for entry in page["data"]] == [video]
    data(client.request("DELETE", f"{API}/tags/{video}", json={"tag": "evening"}))
    refused(anyone.get(f"{API}/tags/no-such-tag/videos"), 404)
    found = data(anyone.get(f"{API}/streaming/id/{video}"))
    assert [tag["name"] for tag in found["tags"]] == ["harbour"]


def test_a_deleted_video_is_gone_with_its_files(cinelog: RunningStack) -> None:
    with sign_up(cinelog.url) as person:
        job = person.upload(SMALL, "Soon gone")
        assert person.finish(job)["status"] == "completed"
        video = data(person.client.get(f"{API}/streaming/id/{job}"))
        assert data(person.client.delete(f"{API}/streaming/{job}"))["message"]
        refused(person.client.get(f"{API}/streaming/id/{job}"), 404)
        until(lambda: person.client.get(video["video"]).status_code == 404)
        refused(person.client.delete(f"{API}/streaming/{job}"), 404)


@pytest.mark.parametrize("path", ["/metrics", "/internal/media/x", "/api/v1/nothing-here"])
def test_what_is_not_public_is_not_there(anyone: httpx.Client, path: str) -> None:
    refused(anyone.get(path), 404)


def test_health_readiness_and_the_document(anyone: httpx.Client) -> None:
    assert anyone.get("/health").status_code == 200
    assert anyone.get("/ready").status_code == 200
    assert anyone.get("/docs").status_code == 200
    document = anyone.get("/docs/openapi.json").json()
    for path in ("/auth/login", "/streaming/upload", "/jobs/{job_id}", "/tags"):
        assert f"{API}{path}" in document["paths"]
    assert document == json.loads(WEB_DOCUMENT.read_text()), "make openapi writes it anew"
