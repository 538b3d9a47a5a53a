"""Direct uploads: what counts is what is in the bucket."""

import httpx
import pytest

from shared.blobs.s3 import S3Store
from shared.contracts import UploadExpired, UploadRejected, UploadStarted, VideoUploaded
from tests.integration.ingest.forms import problem
from tests.integration.ingest.harness import Ingest, clip, config, running
from tests.support.buckets import Buckets
from tests.support.databases import Database

DIRECT = "/api/v1/uploads/direct"
MIB = 1024 * 1024


async def begin(client: httpx.AsyncClient, size: int, **headers: str) -> dict:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    wanted = {"title": "My film", "size": size, "filename": "film.mp4", "tags": ["a"]}
    answer = await client.post(DIRECT, json=wanted, headers=named)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def put(part: dict, content: bytes) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as anybody:
        answer = await anybody.put(part["url"], content=content)
    assert answer.status_code == 200, answer.text


async def test_parts_go_straight_to_the_bucket(ingest: Ingest) -> None:
    content = clip(17 * MIB)
    async with ingest.client() as client:
        plan = await begin(client, len(content))
        assert [part["size"] for part in plan["parts"]] == [8 * MIB, 8 * MIB, MIB]
        for part in reversed(plan["parts"][1:]):
            start = (part["number"] - 1) * plan["part_size"]
            await put(part, content[start : start + part["size"]])
        early = await client.post(plan["complete"])
        assert problem(early) == (409, "parts_missing")
        assert early.json()["error"]["details"][0]["field"] == "parts.1"
        await put(plan["parts"][0], content[: 8 * MIB])
        async with ingest.client("bob") as bob:
            assert (await bob.post(plan["complete"])).status_code == 404
        done = await client.post(plan["complete"])
        assert done.status_code == 202, done.text
        assert done.json()["data"]["job_id"] == plan["upload_id"]
        assert (await client.post(plan["complete"])).json() == done.json()
    started, uploaded = await ingest.all_events()
    assert isinstance(started, UploadStarted)
    assert isinstance(uploaded, VideoUploaded)
    assert (uploaded.size, uploaded.content_type) == (len(content), "video/mp4")
    assert ingest.content(plan["upload_id"]) == content


async def test_what_is_no_video_is_found_out_at_the_end(ingest: Ingest) -> None:
    async with ingest.client() as client:
        plan = await begin(client, 5000)
        await put(plan["parts"][0], b"#EXTM3U\n" * 625)
        assert problem(await client.post(plan["complete"])) == (400, "not_a_video")
        assert (await client.post(plan["complete"])).status_code == 404
    assert isinstance((await ingest.all_events())[-1], UploadRejected)
    assert ingest.objects() == {}


async def test_one_wrong_reading_does_not_refuse_an_upload(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = clip(MIB)
    real, wrong = S3Store.read, [True]

    async def read(store: S3Store, key: str, start: int = 0, end: int | None = None) -> bytes:
        found = await real(store, key, start, end)
        if end is None or not wrong:
            return found
        # One bit in the name of the format.
        wrong.pop()
        return found[:5] + bytes([found[5] ^ 1]) + found[6:]

    monkeypatch.setattr(S3Store, "read", read)
    async with ingest.client() as client:
        plan = await begin(client, len(content))
        await put(plan["parts"][0], content)
        done = await client.post(plan["complete"])
        assert done.status_code == 202, done.text
    assert not wrong
    assert ingest.content(plan["upload_id"]) == content


@pytest.mark.parametrize("size", [4999, 5001, 1_000_000])
async def test_a_part_of_another_size_is_refused_by_the_bucket(ingest: Ingest, size: int) -> None:
    async with ingest.client() as client:
        plan = await begin(client, 5000)
        async with httpx.AsyncClient(trust_env=False, timeout=60) as anybody:
            answer = await anybody.put(plan["parts"][0]["url"], content=clip(size))
        assert answer.status_code == 403, answer.text
        assert problem(await client.post(plan["complete"])) == (409, "parts_missing")


async def test_a_plan_can_be_given_up(ingest: Ingest) -> None:
    async with ingest.client() as client, ingest.client("bob") as bob:
        plan = await begin(client, 5000)
        await put(plan["parts"][0], clip(5000))
        address = f"{DIRECT}/{plan['upload_id']}"
        assert (await bob.delete(address)).status_code == 404
        assert (await client.delete(address)).status_code == 204
        assert (await client.delete(address)).status_code == 404
        assert (await client.post(plan["complete"])).status_code == 404
    assert ingest.unfinished() == []
    assert ingest.objects() == {}


async def test_joined_but_not_recorded_is_taken_up(ingest: Ingest) -> None:
    async with ingest.client() as client:
        plan = await begin(client, 9000)
        await put(plan["parts"][0], clip(9000))
        (row,) = await ingest.rows()
        sources = ingest.parts.sources
        parts = await sources.list_parts(row["key"], row["multipart_id"])
        await sources.complete_multipart(row["key"], row["multipart_id"], parts)
        assert (await client.post(plan["complete"])).status_code == 202
    assert isinstance((await ingest.all_events())[-1], VideoUploaded)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"size": 1}, 400),
        ({"title": "", "size": 1}, 400),
        ({"title": "x", "size": 0}, 400),
        ({"title": "x", "size": "big"}, 400),
        ({"title": "x", "size": 64 * MIB + 1}, 413),
    ],
)
async def test_plans_that_are_refused(ingest: Ingest, wanted: dict, status: int) -> None:
    async with ingest.client() as client, ingest.client(None) as nobody:
        answer = await client.post(DIRECT, json=wanted)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == status
        assert (await nobody.post(DIRECT, json=wanted)).status_code == 401


async def test_a_repeated_plan_is_for_the_same_upload(ingest: Ingest) -> None:
    async with ingest.client() as client:
        first = await begin(client, 9000, idempotency_key="k")
        again = await begin(client, 9000, idempotency_key="k")
        assert again["upload_id"] == first["upload_id"]
        other = await client.post(
            DIRECT, json={"title": "x", "size": 1}, headers={"idempotency-key": "k"}
        )
        assert problem(other) == (409, "idempotency_key_reused")
    assert len(ingest.unfinished()) == 1


async def test_production_without_a_public_bucket_offers_none(
    database: Database, s3: Buckets
) -> None:
    settings = config(database, s3, cinelog_mode="production")
    async with running(settings, s3) as ingest, ingest.client() as client:
        answer = await client.post(DIRECT, json={"title": "x", "size": 1})
        assert problem(answer) == (404, "direct_uploads_off")


async def test_the_key_of_an_expired_plan_makes_a_new_one_before_the_sweep(ingest: Ingest) -> None:
    content = clip(9000)
    async with ingest.client() as client:
        first = await begin(client, len(content), idempotency_key="k")
        await ingest.age()
        second = await begin(client, len(content), idempotency_key="k")
        assert second["upload_id"] != first["upload_id"]
        await put(second["parts"][0], content)
        assert (await client.post(second["complete"])).status_code == 202
    assert isinstance((await ingest.events(first["upload_id"]))[-1], UploadExpired)
