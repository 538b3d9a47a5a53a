"""What an account has begun to upload is listed, and may be described until its last byte comes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, tzinfo

import httpx
import pytest

from services.ingest.handlers import idempotency, resumable, upload_starter
from shared.contracts import VideoUploaded, new_id
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest, clip
from tests.integration.ingest.tus_client import (
    STREAM,
    TUS,
    UPLOADS,
    create,
    metadata,
    offset_of,
    patch,
    stalling,
)
from tests.support.wait import eventually


async def listed(client: httpx.AsyncClient) -> list[dict[str, object]]:
    answer = await client.get(UPLOADS)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return answer.json()["data"]


async def described(ingest: Ingest, url: str) -> VideoUploaded:
    uploaded = (await ingest.events(url.rpartition("/")[2]))[-1]
    assert isinstance(uploaded, VideoUploaded)
    return uploaded


async def is_written(ingest: Ingest) -> bool:
    return any(row["held"] for row in await ingest.rows())


async def test_unfinished_uploads_are_listed_to_their_owner_alone(ingest: Ingest) -> None:
    content = clip(9000)
    async with ingest.client() as client, ingest.client("bob") as other:
        whole = await create(client, 9000)
        await patch(client, whole, 0, content)
        older = await create(client, None)
        answer = await client.post(
            UPLOADS,
            headers=TUS
            | {"upload-length": "9000"}
            | metadata(title="Walk", filename="walk.mp4", lastModified="1764288000000"),
        )
        newer = answer.headers["location"]
        await patch(client, newer, 0, content[:5000])
        await client.post(UPLOADS, headers=TUS | {"upload-concat": "partial", "upload-length": "9"})

        first, second = await listed(client)
        assert await listed(other) == []
        assert (await client.delete(newer, headers=TUS)).status_code == 204
        assert [upload["id"] for upload in await listed(client)] == [older.rpartition("/")[2]]
    assert first | {"created_at": "", "expires_at": ""} == {
        "id": newer.rpartition("/")[2],
        "details": {
            "title": "Walk",
            "description": "",
            "filename": "walk.mp4",
            "tags": [],
            "visibility": "public",
            "publish_at": None,
            "hdr": None,
            "downloads": None,
        },
        "last_modified": "1764288000000",
        "size": 9000,
        "received": 5000,
        "created_at": "",
        "expires_at": "",
    }
    assert (second["size"], second["received"], second["last_modified"]) == (None, 0, None)


async def test_an_expired_upload_is_not_listed(ingest: Ingest) -> None:
    async with ingest.client() as client:
        url = await create(client, 9000)
        await ingest.age(url.rpartition("/")[2])
        assert await listed(client) == []
        answer = await client.put(f"{url}/details", json={"title": "Late"})
    assert problem(answer) == (404, "upload_not_found")


async def test_what_is_said_before_the_last_byte_counts(ingest: Ingest) -> None:
    content = clip(9000)
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with ingest.client() as client:
        url = await create(client, 9000)
        await patch(client, url, 0, content[:5000])
        changed = {"title": " New ", "tags": ["x"], "visibility": "draft", "publish_at": at}
        answer = await client.put(f"{url}/details", json=changed | {"hdr": "keep"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["details"]["title"] == "New"
        assert answer.json()["data"]["received"] == 5000
        await patch(client, url, 5000, content[5000:])
        late = await client.put(f"{url}/details", json={"title": "Later"})
    assert problem(late) == (409, "upload_closed")
    uploaded = await described(ingest, url)
    assert (uploaded.title, uploaded.description, uploaded.tags) == ("New", "", ("x",))
    assert (uploaded.visibility, uploaded.hdr, uploaded.filename) == ("draft", "keep", "film.mp4")
    assert uploaded.publish_at == datetime.fromisoformat(at)


async def test_what_is_said_while_the_last_bytes_arrive_counts(ingest: Ingest) -> None:
    """The request that writes has read the details before."""
    content = clip(9000)
    end = asyncio.Event()

    async def last() -> AsyncIterator[bytes]:
        async for piece in stalling(content[:5000], end):
            yield piece
        yield content[5000:]

    async with ingest.client() as client, ingest.client() as second:
        url = await create(client, 9000)
        writing = asyncio.create_task(
            client.patch(url, content=last(), headers=TUS | STREAM | {"upload-offset": "0"})
        )
        await eventually(lambda: is_written(ingest))
        answer = await second.put(
            f"{url}/details", json={"title": "Private", "visibility": "private"}
        )
        assert answer.status_code == 200, answer.text
        end.set()
        assert (await writing).status_code == 204
    uploaded = await described(ingest, url)
    assert (uploaded.title, uploaded.visibility) == ("Private", "private")


async def test_what_breaks_a_rule_changes_nothing(ingest: Ingest) -> None:
    content = clip(9000)
    async with ingest.client() as client, ingest.client("bob") as other:
        url = await create(client, 9000)
        for wrong, code in (
            ({}, "invalid_input"),
            ({"title": ""}, "invalid_details"),
            ({"title": "A", "visibilty": "private"}, "invalid_input"),
            ({"title": "A", "visibility": "secret"}, "invalid_details"),
            ({"title": "A", "publish_at": "2001-01-01T00:00:00Z"}, "invalid_details"),
        ):
            answer = await client.put(f"{url}/details", json=wrong)
            assert (answer.status_code, problem(answer)[1]) == (400, code), answer.text
        assert problem(await other.put(f"{url}/details", json={"title": "B"}))[0] == 404
        unknown = await client.put(f"{UPLOADS}/{new_id()}/details", json={"title": "B"})
        assert problem(unknown) == (404, "upload_not_found")
        await patch(client, url, 0, content)
    assert (await described(ingest, url)).title == "My film"


async def test_who_is_not_logged_in_sees_and_says_nothing(ingest: Ingest) -> None:
    async with ingest.client(None) as nobody:
        assert (await nobody.get(UPLOADS)).status_code == 401
        answer = await nobody.put(f"{UPLOADS}/{new_id()}/details", json={"title": "A"})
    assert answer.status_code == 401


class Behind(datetime):
    """A clock that is wrong by more than an upload lives."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) - timedelta(hours=26)


async def test_an_upload_that_began_while_the_clock_was_behind_goes_on(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = clip(9000)
    async with ingest.client() as client:
        with monkeypatch.context() as patched:
            patched.setattr(upload_starter, "datetime", Behind)
            url = await create(client, 9000)
        await ingest.parts.sweep.round()
        assert await offset_of(client, url) == 0
        assert (await patch(client, url, 0, content)).status_code == 204
    assert (await described(ingest, url)).title == "My film"


class Ahead(datetime):
    """A clock that is wrong by more than an upload lives."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + timedelta(hours=26)


async def test_a_process_whose_clock_is_ahead_ends_no_upload(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ingest.client() as client:
        url = await create(client, 9000, idempotency_key="one")
        await patch(client, url, 0, clip(9000)[:5000])
        with monkeypatch.context() as patched:
            for module in (resumable, idempotency):
                patched.setattr(module, "datetime", Ahead, raising=False)
            assert await offset_of(client, url) == 5000
            assert await create(client, 9000, idempotency_key="one") == url
        assert await offset_of(client, url) == 5000


async def answer_to(client: httpx.AsyncClient, method: str, path: str) -> tuple[int, object]:
    headers = TUS | STREAM | {"upload-offset": "0"}
    body = b"x"
    if method in ("PUT", "POST"):
        headers, body = {"content-type": "application/json"}, b'{"title": "Mine"}'
    answer = await client.request(method, path, headers=headers, content=body)
    return answer.status_code, answer.content and answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("HEAD", "/api/v1/uploads/{}"),
        ("PATCH", "/api/v1/uploads/{}"),
        ("DELETE", "/api/v1/uploads/{}"),
        ("PUT", "/api/v1/uploads/{}/details"),
        ("POST", "/api/v1/uploads/direct/{}/complete"),
        ("DELETE", "/api/v1/uploads/direct/{}"),
    ],
)
async def test_anothers_upload_is_answered_as_one_that_is_not_there(
    ingest: Ingest, method: str, route: str
) -> None:
    async with ingest.client() as owner, ingest.client("bob") as other:
        resumable = (await create(owner, 9000)).rpartition("/")[2]
        begun = await owner.post(f"{UPLOADS}/direct", json={"title": "Walk", "size": 9000})
        direct = begun.json()["data"]["upload_id"]
        said = {
            upload: await answer_to(other, method, route.format(upload))
            for upload in (new_id(), resumable, direct)
        }
        # Its owner gets no further by a route of another protocol.
        foreign = resumable if "direct" in route else direct
        said["their own"] = await answer_to(owner, method, route.format(foreign))
    assert len(set(said.values())) == 1, said
    assert {status for status, _ in said.values()} == {404}
