"""Every protocol carries every field that a sender may say of an upload."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.ingest.details import NAMES
from shared.contracts import (
    DefaultVisibilityChanged,
    UploadStarted,
    UserDeleted,
    VideoUploaded,
    Visibility,
    stream_id,
)
from tests.integration.ingest.forms import CONTENT_TYPE, UPLOAD, form, send
from tests.integration.ingest.harness import Ingest, clip, record
from tests.integration.ingest.test_ingest_direct import DIRECT, put
from tests.integration.ingest.tus_client import STREAM, TUS, UPLOADS, metadata
from tests.support.databases import Database
from tests.support.wait import eventually

CONTENT = clip(9000)
LATER = datetime.now(UTC) + timedelta(days=30)
# As text, and as it is recorded. A new field needs a line here.
SENT = {
    "title": ("Größe & más", "Größe & más"),
    "description": ("Two\nlines", "Two\nlines"),
    "filename": ("my film.mp4", "my film.mp4"),
    "tags": ("one,two", ("one", "two")),
    "visibility": ("draft", "draft"),
    "publish_at": (LATER.isoformat(), LATER),
    "hdr": ("keep", "keep"),
    "downloads": ("anyone", "anyone"),
}
TEXTS = {name: text for name, (text, _) in SENT.items()}


Sender = Callable[..., Awaitable[httpx.Response]]


async def by_form(client: httpx.AsyncClient, texts: dict[str, str] = TEXTS) -> httpx.Response:
    fields = [(name, None, text.encode()) for name, text in texts.items() if name != "filename"]
    return await send(client, form(*fields, ("video", TEXTS["filename"], CONTENT)))


async def by_tus(client: httpx.AsyncClient, texts: dict[str, str] = TEXTS) -> httpx.Response:
    size = {"upload-length": str(len(CONTENT))}
    created = await client.post(UPLOADS, headers=TUS | metadata(**texts) | size)
    if created.status_code != 201:
        return created
    return await client.patch(
        created.headers["location"], content=CONTENT, headers=TUS | STREAM | {"upload-offset": "0"}
    )


async def by_draft(client: httpx.AsyncClient, texts: dict[str, str] = TEXTS) -> httpx.Response:
    named = {"content-disposition": f'inline; filename="{TEXTS["filename"]}"'}
    params = {name: text for name, text in texts.items() if name != "filename"}
    headers = named | {"upload-complete": "?1"}
    return await client.post(UPLOADS, params=params, content=CONTENT, headers=headers)


async def by_direct(client: httpx.AsyncClient, texts: dict[str, str] = TEXTS) -> httpx.Response:
    wanted = {**texts, "tags": list(SENT["tags"][1])}
    begun = await client.post(DIRECT, json={**wanted, "size": len(CONTENT)})
    if begun.status_code != 201:
        return begun
    plan = begun.json()["data"]
    await put(plan["parts"][0], CONTENT)
    return await client.post(plan["complete"])


PROTOCOLS = [by_form, by_tus, by_draft, by_direct]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_field_arrives(ingest: Ingest, protocol: Sender) -> None:
    assert set(SENT) == set(NAMES)
    async with ingest.client() as client:
        answer = await protocol(client)
    assert answer.is_success, answer.text
    started, uploaded = await ingest.all_events()
    assert isinstance(started, UploadStarted)
    assert isinstance(uploaded, VideoUploaded)
    assert started.visibility == "draft"
    recorded = {name: getattr(uploaded, name) for name in NAMES}
    assert recorded == {name: kept for name, (_, kept) in SENT.items()}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("default", [None, "private"])
async def test_what_says_no_visibility_has_the_accounts(
    ingest: Ingest, database: Database, protocol: Sender, default: Visibility | None
) -> None:
    if default is not None:
        changes = [
            DefaultVisibilityChanged(user_id="ann", visibility=each) for each in ("draft", default)
        ]
        await record(database, stream_id("user", "ann"), *changes)
    texts = {name: text for name, text in TEXTS.items() if name not in {"visibility", "publish_at"}}
    async with ingest.client() as client:
        answer = await protocol(client, texts)
    assert answer.is_success, answer.text
    uploaded = [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert [event.visibility for event in uploaded] == [default or "public"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"visiblity": "private"}, "visiblity"),
        ({"VISIBILITY": "private"}, "VISIBILITY"),
        ({"draft": "true"}, "draft"),
        ({"visibility": "Private"}, "visibility"),
        ({"visibility": "private"}, "publish_at"),
        ({"publish_at": "2020-01-01T00:00:00Z"}, "publish_at"),
    ],
)
async def test_what_is_not_understood_is_refused_and_named(
    ingest: Ingest, protocol: Sender, wrong: dict[str, str], field: str
) -> None:
    async with ingest.client() as client:
        answer = await protocol(client, TEXTS | wrong)
    assert answer.status_code == 400, answer.text
    assert field in [detail["field"] for detail in answer.json()["error"]["details"]]
    assert not [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]


async def test_a_form_says_it_before_or_after_the_file(ingest: Ingest) -> None:
    """While it may still be said, nothing claims that the video is public."""
    title, hidden = ("title", None, b"T"), ("visibility", None, b"private")
    file = ("video", "a.mp4", CONTENT)
    async with ingest.client() as client:
        for fields in ((title, hidden, file), (title, file, hidden)):
            answer = await send(client, form(*fields))
            assert answer.is_success, answer.text
            started, uploaded = await ingest.events(answer.json()["data"]["job_id"])
            assert isinstance(started, UploadStarted)
            assert isinstance(uploaded, VideoUploaded)
            assert started.visibility == ("private" if fields[1] is hidden else None)
            assert uploaded.visibility == "private"


async def test_a_repeated_form_is_the_same_after_the_default_has_changed(
    ingest: Ingest, database: Database
) -> None:
    body = form(("title", None, b"T"), ("video", "a.mp4", CONTENT))
    async with ingest.client() as client:
        first = await send(client, body, idempotency_key="k")
        change = DefaultVisibilityChanged(user_id="ann", visibility="private")
        await record(database, stream_id("user", "ann"), change)
        again = await send(client, body, idempotency_key="k")
    assert again.status_code == 202
    assert again.json()["data"]["job_id"] == first.json()["data"]["job_id"]


CLIENTS = {"filename", "filetype", "name", "type", "relativePath", "contentType", "size"}


async def test_what_common_clients_of_tus_say_is_accepted(ingest: Ingest) -> None:
    said = dict.fromkeys(CLIENTS, "null") | {"title": "T"}
    async with ingest.client() as client:
        answer = await by_tus(client, said)
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_deleted_account_uploads_nothing(
    ingest: Ingest, database: Database, protocol: Sender
) -> None:
    """Its access token is valid for minutes, and the list of ended sessions is seconds late."""
    async with ingest.client() as client:
        assert (await protocol(client)).is_success
        await record(database, stream_id("user", "ann"), UserDeleted(user_id="ann"))
        answer = await protocol(client)
    assert answer.status_code == 401
    assert len([e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]) == 1


async def test_an_account_that_is_deleted_during_an_upload_has_no_video(
    ingest: Ingest, database: Database
) -> None:
    body = form(("title", None, b"T"), ("video", "a.mp4", CONTENT))

    async def has_begun() -> bool:
        return bool(await ingest.rows())

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:-100]
        await eventually(has_begun)
        await record(database, stream_id("user", "ann"), UserDeleted(user_id="ann"))
        yield body[-100:]

    async with ingest.client() as client:
        answer = await client.post(UPLOAD, content=slowly(), headers={"content-type": CONTENT_TYPE})
    assert answer.status_code == 401
    assert not [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]
    assert ingest.objects() == {}
