"""The same resource for clients of the IETF's draft."""

import asyncio

from shared.contracts import UploadAborted, VideoUploaded
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest, clip
from tests.integration.ingest.tus_client import stalling
from tests.support.wait import eventually

UPLOADS = "/api/v1/uploads"
MIB = 1024 * 1024
PARTIAL = {"content-type": "application/partial-upload"}
NAMED = {"content-disposition": 'inline; filename="my \\"film\\".mp4"'}


async def test_everything_in_one_request(ingest: Ingest) -> None:
    content = clip(6 * MIB)
    async with ingest.client() as client:
        answer = await client.post(
            f"{UPLOADS}?title=A+title",
            content=content,
            headers={"upload-complete": "?1", "content-type": "video/mp4"} | NAMED,
        )
    assert answer.status_code == 202, answer.text
    assert answer.headers["upload-complete"] == "?1"
    job_id = answer.json()["data"]["job_id"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    uploaded = (await ingest.events(job_id))[-1]
    assert isinstance(uploaded, VideoUploaded)
    assert (uploaded.title, uploaded.filename) == ("A title", 'my "film".mp4')
    assert ingest.content(job_id) == content


async def test_interrupted_and_resumed(ingest: Ingest) -> None:
    content = clip(13 * MIB)
    async with ingest.client() as client:
        options = await client.options(UPLOADS)
        assert "application/partial-upload" in options.headers["accept-patch"]
        assert options.headers["upload-limit"] == f"max-size={64 * MIB}"
        begun = await client.post(
            UPLOADS, headers={"upload-complete": "?0", "upload-length": str(len(content))} | NAMED
        )
        assert begun.status_code == 201
        assert begun.headers["upload-limit"].startswith(f"max-size={64 * MIB}, max-age=")
        url = begun.headers["location"]
        hanging = asyncio.create_task(
            client.patch(
                url,
                content=stalling(content[: 7 * MIB]),
                headers={"upload-offset": "0", "upload-complete": "?0"} | PARTIAL,
            )
        )

        async def arrived() -> bool:
            return (await ingest.rows())[0]["received"] >= 5 * MIB

        await eventually(arrived)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)

        async def kept() -> bool:
            return (await ingest.rows())[0]["received"] == 7 * MIB

        await eventually(kept)
        head = await client.head(url)
        assert head.status_code == 204
        assert head.headers["upload-offset"] == str(7 * MIB)
        assert head.headers["upload-complete"] == "?0"
        assert head.headers["upload-length"] == str(len(content))
        assert head.headers["cache-control"] == "no-store"

        wrong = await client.patch(
            url, content=b"x", headers={"upload-offset": "3", "upload-complete": "?0"} | PARTIAL
        )
        assert wrong.status_code == 409
        assert wrong.headers["upload-offset"] == str(7 * MIB)
        middle = await client.patch(
            url,
            content=content[7 * MIB :],
            headers={"upload-offset": str(7 * MIB), "upload-complete": "?0"} | PARTIAL,
        )
        assert middle.status_code == 204
        assert (await client.head(url)).headers["upload-complete"] == "?0"
        last = await client.patch(
            url, headers={"upload-offset": str(len(content)), "upload-complete": "?1"} | PARTIAL
        )
        assert last.status_code == 202, last.text
        assert (await client.head(url)).headers["upload-complete"] == "?1"
    assert ingest.content(url.rpartition("/")[2]) == content


async def test_what_the_draft_refuses(ingest: Ingest) -> None:
    async with ingest.client() as client:
        answer = await client.post(UPLOADS, headers={"upload-complete": "?0"} | NAMED)
        url = answer.headers["location"]
        cases = [
            ({"upload-offset": "0"}, b"", 400),
            ({"upload-complete": "?1"}, b"", 400),
            ({"upload-complete": "?1", "upload-offset": "0", "upload-length": "5"}, b"1234", 400),
        ]
        for headers, content, status in cases:
            refused = await client.patch(url, content=content, headers=headers | PARTIAL)
            assert problem(refused) == (status, "resumable_upload_invalid_request")
        nameless = await client.post(UPLOADS, headers={"upload-complete": "?0"})
        assert problem(nameless) == (400, "invalid_details")
        assert (await client.delete(url)).status_code == 204
        assert (await client.head(url)).status_code == 404
    assert isinstance((await ingest.events(url.rpartition("/")[2]))[-1], UploadAborted)
