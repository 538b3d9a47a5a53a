"""One request, one video: every answer of the contract, and what is left behind."""

import hashlib

import pytest

from shared.contracts import UploadRejected, UploadStarted, VideoUploaded
from tests.integration.ingest.forms import CONTENT_TYPE, UPLOAD, form, problem, send
from tests.integration.ingest.harness import Ingest, clip, footage

VIDEO = ("video", "my film.mp4", clip(100_000))
TITLE = ("title", None, "A füll title".encode())
DESCRIPTION = ("description", None, b"Words\r\nmore words")


@pytest.mark.parametrize(
    "fields",
    [(TITLE, DESCRIPTION, VIDEO), (VIDEO, TITLE, DESCRIPTION), (TITLE, VIDEO, DESCRIPTION)],
    ids=["file last", "file first", "file between"],
)
async def test_fields_may_stand_in_any_order(ingest: Ingest, fields: tuple) -> None:
    async with ingest.client() as client:
        answer = await send(client, form(*fields))
    assert answer.status_code == 202, answer.text
    data = answer.json()["data"]
    job_id = data["job_id"]
    assert data["status"] == "pending"
    assert data["message"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    started, uploaded = await ingest.events(job_id)
    assert isinstance(started, UploadStarted)
    assert uploaded == VideoUploaded(
        video_id=job_id,
        user_id="ann",
        title="A füll title",
        description="Words\nmore words",
        filename="my film.mp4",
        content_type="video/mp4",
        size=100_000,
        source_key=f"{job_id}/source",
        sha256=hashlib.sha256(VIDEO[2]).hexdigest(),
    )
    assert ingest.content(job_id) == VIDEO[2]
    assert ingest.objects() == {f"{job_id}/source": 100_000}
    assert ingest.unfinished() == []


async def test_real_footage_of_several_parts(ingest: Ingest) -> None:
    content = footage() + bytes(12 * 1024 * 1024)
    async with ingest.client() as client:
        answer = await client.post(
            UPLOAD,
            data={"title": "Bunny", "description": ""},
            files={"video": ("bunny.mp4", content, "video/mp4")},
        )
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["data"]["job_id"]
    assert ingest.content(job_id) == content


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ((VIDEO,), "invalid_details"),
        ((("title", None, b"   "), VIDEO), "invalid_details"),
        ((("title", None, b"x" * 201), VIDEO), "invalid_details"),
        ((VIDEO, ("title", None, b"x" * 201)), "invalid_details"),
        ((("title", None, b"nul\0"), VIDEO), "invalid_details"),
        ((TITLE, ("description", None, b"x" * 5001), VIDEO), "invalid_details"),
        ((TITLE,), "malformed_form"),
        ((TITLE, ("video", None, clip(1000))), "malformed_form"),
        ((TITLE, ("other", "x.mp4", clip(1000))), "malformed_form"),
        ((TITLE, VIDEO, VIDEO), "malformed_form"),
        ((("title", None, b"\xff\xfe"), VIDEO), "malformed_form"),
        ((TITLE, ("video", "a.mp4", b"")), "not_a_video"),
        ((TITLE, ("video", "a.mp4", b"#EXTM3U\nhttp://127.0.0.1/\n")), "not_a_video"),
        ((TITLE, ("video", "a.mp4", b"\x89PNG\r\n\x1a\n" + bytes(9000))), "not_a_video"),
        ((TITLE, ("video", "a.mp4", b"Only words. " * 1000)), "not_a_video"),
    ],
)
async def test_what_is_refused_leaves_nothing_behind(
    ingest: Ingest, fields: tuple, kind: str
) -> None:
    async with ingest.client() as client:
        answer = await send(client, form(*fields))
    assert problem(answer) == (400, kind)
    assert ingest.objects() == {}
    assert ingest.unfinished() == []
    assert not [e for e in await ingest.all_events() if isinstance(e, VideoUploaded)]


async def test_a_refusal_is_recorded_with_its_reason(ingest: Ingest) -> None:
    async with ingest.client() as client:
        await send(client, form(TITLE, ("video", "a.mp4", b"PK\3\4" + bytes(9000))))
    started, rejected = await ingest.all_events()
    assert isinstance(started, UploadStarted)
    assert started.title == "A füll title"
    assert isinstance(rejected, UploadRejected)
    assert rejected.code == "not_a_video"
    assert "archive" in rejected.reason


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "multipart/form-data; boundary=\x01", "video/mp4"],
)
async def test_other_bodies_are_refused(ingest: Ingest, content_type: str) -> None:
    async with ingest.client() as client:
        answer = await client.post(
            UPLOAD, content=b"{}", headers={"content-type": content_type.replace("\x01", "")}
        )
    assert problem(answer) == (400, "malformed_form")


async def test_a_form_that_ends_early_is_refused(ingest: Ingest) -> None:
    async with ingest.client() as client:
        answer = await send(client, form(TITLE, VIDEO)[:-30])
    assert problem(answer) == (400, "malformed_form")
    assert ingest.objects() == {}


async def test_too_large_is_refused_before_and_while_it_is_read(ingest: Ingest) -> None:
    large = clip(6 * 1024 * 1024) * 11
    body = form(TITLE, ("video", "a.mp4", large))
    async with ingest.client() as client:
        assert problem(await send(client, body)) == (400, "too_large")

        async def unannounced():
            for start in range(0, len(body), 1 << 20):
                yield body[start : start + (1 << 20)]

        answer = await client.post(
            UPLOAD,
            content=unannounced(),
            headers={"content-type": CONTENT_TYPE},
        )
        assert problem(answer) == (400, "too_large")
    assert ingest.objects() == {}
    assert ingest.unfinished() == []


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YTpi"])
async def test_without_a_valid_token_nothing_is_read(
    ingest: Ingest, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    async with ingest.client(None) as client:
        answer = await send(client, form(TITLE, VIDEO), **headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == 401
    assert "www-authenticate" in answer.headers
    assert await ingest.all_events() == []
