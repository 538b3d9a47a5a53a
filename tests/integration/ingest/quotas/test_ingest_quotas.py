"""What uploads may take of an account."""

import asyncio

import asyncpg
import httpx

from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest, clip
from tests.integration.ingest.quotas.quota_stage import (
    KIB,
    TITLE,
    TUS,
    UPLOADS,
    USAGE_PATH,
    open_upload,
    send_form,
    usage_of,
)
from tests.support.databases import Database


async def test_many_uploads_at_once_open_no_more_than_allowed(ingest: Ingest) -> None:
    async with ingest.client() as client:
        answers = await asyncio.gather(*(open_upload(client, 10) for _ in range(30)))
        assert sorted(answer.status_code for answer in answers) == [201] * 4 + [403] * 26
        refused = next(answer for answer in answers if answer.status_code == 403)
        assert problem(refused) == (403, "quota_exceeded")
        assert refused.json()["error"]["details"] == [
            {"field": "open_uploads", "message": "4 used, 4 allowed"}
        ]
        assert (await usage_of(client))["open_uploads"] == {"used": 4, "allowed": 4}
        # What is given up makes room.
        opened = next(answer for answer in answers if answer.status_code == 201)
        await client.delete(opened.headers["location"], headers=TUS)
        assert (await open_upload(client, 10)).status_code == 201
    async with ingest.client("bob") as other:
        assert (await open_upload(other, 10)).status_code == 201


async def test_lengths_of_open_uploads_count_as_stored(ingest: Ingest) -> None:
    async with ingest.client() as client:
        assert (await open_upload(client, 60 * KIB)).status_code == 201
        assert problem(await open_upload(client, 60 * KIB)) == (403, "quota_exceeded")
        direct = {"title": "A", "size": 60 * KIB}
        answer = await client.post(f"{UPLOADS}/direct", json=direct)
        assert problem(answer) == (403, "quota_exceeded")
        # A form's size is known at its end.
        assert problem(await send_form(client, 60 * KIB)) == (403, "quota_exceeded")
        assert (await send_form(client, 30 * KIB)).status_code == 202
        assert (await usage_of(client))["bytes"] == {"used": 90 * KIB, "allowed": 100 * KIB}
    assert sorted(ingest.objects().values()) == [30 * KIB]


async def test_a_length_that_is_said_later_counts(ingest: Ingest) -> None:
    async with ingest.client() as client:
        address = (await open_upload(client, None)).headers["location"]
        stream = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}
        too_long = stream | {"upload-length": str(200 * KIB)}
        answer = await client.patch(address, content=b"", headers=TUS | too_long)
        assert problem(answer) == (403, "quota_exceeded")
        fitting = stream | {"upload-length": str(50 * KIB)}
        content = clip(50 * KIB)
        answer = await client.patch(address, content=content, headers=TUS | fitting)
        assert answer.status_code == 204


async def test_parts_are_joined_once(ingest: Ingest) -> None:
    async with ingest.client() as client:
        made = await open_upload(client, 10 * KIB, upload_concat="partial")
        part = made.headers["location"]
        stream = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}
        await client.patch(part, content=clip(10 * KIB), headers=TUS | stream)
        assert (await usage_of(client))["bytes"]["used"] == 10 * KIB

        async def join(*parts: str) -> httpx.Response:
            joined = {"upload-concat": f"final;{' '.join(parts)}"}
            return await client.post(UPLOADS, headers=TUS | TITLE | joined)

        assert (await join(*[part] * 50)).status_code == 400
        assert (await join(part)).status_code == 201
        assert (await join(part)).status_code == 404
        usage = await usage_of(client)
        assert usage["bytes"]["used"] == 10 * KIB
        assert (usage["videos"]["used"], usage["open_uploads"]["used"]) == (1, 0)


async def test_videos_are_counted_while_they_areuploaded(ingest: Ingest) -> None:
    async with ingest.client() as client:
        answers = await asyncio.gather(*(send_form(client, KIB) for _ in range(9)))
        assert sorted(answer.status_code for answer in answers) == [202] * 6 + [403] * 3
        assert (await usage_of(client))["videos"] == {"used": 6, "allowed": 6}


async def test_usage_needs_a_login(ingest: Ingest) -> None:
    async with ingest.client(None) as nobody:
        assert (await nobody.get(USAGE_PATH)).status_code == 401


async def test_operators_trust_accounts_with_more(database: Database, ingest: Ingest) -> None:
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute("insert into ingest.account_roles values ('ann', 'trusted')")
    await admin.close()
    async with ingest.client() as client:
        assert (await usage_of(client))["bytes"]["allowed"] == 1000 * KIB
        assert (await open_upload(client, 500 * KIB)).status_code == 201
