"""A video as one file, put together of objects of a real S3 server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.download_index import DownloadIndex, Run, write_index
from tests.integration.gateway.rig import (
    Peer,
    Request,
    Rig,
    Service,
    running_gateway,
    storage_settings,
)
from tests.support.buckets import Buckets
from tests.support.wait import eventually

VIDEO = "0190b7a8-1111-7000-8000-000000000001"
PATH = f"/api/v1/videos/{VIDEO}/download"
BEGIN = b"the beginning, with all tables;"
PICTURE = bytes(range(256)) * 12_000
SOUND = bytes(reversed(range(256))) * 300
INDEX = DownloadIndex(
    (f"{VIDEO}/a1/720p/all.mp4", f"{VIDEO}/a1/audio-0/all.mp4"),
    (Run(0, 700, 2_000_000), Run(1, 10, 40_000), Run(0, 2_000_700, 900_000), Run(1, 40_010, 9)),
)
WHOLE = (
    BEGIN
    + PICTURE[700:2_000_700]
    + SOUND[10:40_010]
    + PICTURE[2_000_700:2_900_700]
    + SOUND[40_010:40_019]
)
ETAG = '"0123456789abcdef"'


class Catalog:
    """Says who may have the file, as the catalog does."""

    def __init__(self, service: Service) -> None:
        self.place: dict[str, Any] = {
            "video_id": VIDEO,
            "index": f"{VIDEO}/a1/downloads/720p-0.bin",
            "index_bytes": len(BEGIN) + len(write_index(INDEX)),
            "head": len(BEGIN),
            "size": len(WHOLE),
            "etag": ETAG.strip('"'),
            "disposition": "attachment; filename=\"a.mp4\"; filename*=UTF-8''a.mp4",
        }
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.asked: list[Request] = []
        service.handler = self.answer

    async def answer(self, request: Request, peer: Peer) -> None:
        self.asked.append(request)
        if self.refusal is not None:
            await peer.answer(*self.refusal)
        else:
            await peer.answer(200, {"success": True, "data": self.place})


@pytest.fixture
def catalog(service: Service) -> Catalog:
    return Catalog(service)


@pytest.fixture
async def rig(
    service: Service, redis_url: str, s3: Buckets, catalog: Catalog
) -> AsyncIterator[Rig]:
    client = s3.client()
    for key, body in (
        (INDEX.objects[0], PICTURE),
        (INDEX.objects[1], SOUND),
        (catalog.place["index"], BEGIN + write_index(INDEX)),
    ):
        client.put_object(Bucket=s3.media, Key=key, Body=body)
    settings = storage_settings(s3) | {"max_downloads_per_address": 2}
    async with running_gateway(service, redis_url, **settings) as rig:
        yield rig


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=rig.url, trust_env=False, timeout=60) as client:
        yield client


async def test_the_file_comes_whole(client: httpx.AsyncClient, catalog: Catalog) -> None:
    answer = await client.get(f"{PATH}?rendition=720p", headers={"authorization": "Bearer x"})
    assert answer.status_code == 200
    assert answer.content == WHOLE
    assert answer.headers["content-length"] == str(len(WHOLE))
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == catalog.place["disposition"]
    assert answer.headers["etag"] == ETAG
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (asked,) = catalog.asked
    assert asked.target == f"{PATH}?rendition=720p"
    assert dict(asked.headers)["authorization"] == "Bearer x"


async def test_its_parts_are_the_whole(client: httpx.AsyncClient) -> None:
    """Pieces of odd sizes, which begin and end in any object."""
    found, at, size = b"", 0, 7
    while at < len(WHOLE):
        last = min(at + size, len(WHOLE)) - 1
        part = await client.get(PATH, headers={"range": f"bytes={at}-{last}"})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {at}-{last}/{len(WHOLE)}"
        assert part.headers["content-length"] == str(last + 1 - at)
        found += part.content
        at, size = last + 1, size * 3 + 1
    assert found == WHOLE


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=2999-", 2999, len(WHOLE) - 1), ("bytes=-9", len(WHOLE) - 9, len(WHOLE) - 1)],
)
async def test_open_ranges(client: httpx.AsyncClient, wanted: str, first: int, last: int) -> None:
    answer = await client.get(PATH, headers={"range": wanted, "if-range": ETAG})
    assert answer.status_code == 206
    assert answer.content == WHOLE[first : last + 1]


async def test_a_resumed_download_of_another_file_begins_anew(client: httpx.AsyncClient) -> None:
    headers = {"range": "bytes=9-", "if-range": '"other"'}
    answer = await client.get(PATH, headers=headers)
    assert answer.status_code == 200
    assert answer.content == WHOLE


async def test_what_is_asked_without_a_body(client: httpx.AsyncClient) -> None:
    head = await client.head(PATH)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(WHOLE))
    part = await client.head(PATH, headers={"range": "bytes=5-8"})
    assert (part.status_code, part.headers["content-length"]) == (206, "4")
    known = await client.get(PATH, headers={"if-none-match": ETAG})
    assert (known.status_code, known.content) == (304, b"")
    behind = await client.get(PATH, headers={"range": f"bytes={len(WHOLE)}-"})
    assert behind.status_code == 416
    assert behind.headers["content-range"] == f"bytes */{len(WHOLE)}"


async def test_the_catalog_refuses(client: httpx.AsyncClient, catalog: Catalog) -> None:
    error = {"code": 403, "message": "No.", "type": "downloads_not_allowed"}
    catalog.refusal = (403, {"success": False, "error": error})
    answer = await client.get(PATH)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "downloads_not_allowed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"disposition": "attachment\r\nset-cookie: a=b"},
        {"disposition": "inline; x"},
        {"head": 0},
        {"size": len(WHOLE) + 1},
        {"index": f"{VIDEO}/gone.bin"},
        {"video_id": "another"},
    ],
)
async def test_what_cannot_be_right_is_not_sent(
    client: httpx.AsyncClient, catalog: Catalog, wrong: dict[str, Any]
) -> None:
    catalog.place |= wrong
    answer = await client.get(PATH)
    assert answer.status_code in (502, 503)
    assert "set-cookie" not in answer.headers


async def test_a_missing_object_breaks_the_answer_off(
    client: httpx.AsyncClient, s3: Buckets
) -> None:
    """A shorter file never looks whole."""
    s3.client().delete_object(Bucket=s3.media, Key=INDEX.objects[1])
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(PATH)


async def test_an_address_has_some_downloads_at_once(
    client: httpx.AsyncClient, rig: Rig, s3: Buckets
) -> None:
    """A third one is refused while two are read, and one that stalls holds no connection."""
    del s3
    writers: list[asyncio.StreamWriter] = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port, limit=1024)
        writer.write(f"GET {PATH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        writers.append(writer)
    refused = await client.get(PATH)
    if refused.status_code != 200:  # else a stalled one has given way already
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "too_many_downloads"
    for writer in writers:
        writer.close()

    async def served() -> bool:
        return (await client.get(PATH)).status_code == 200

    await eventually(served)
