"""Uploads into a storage that gives wrong answers: what is acknowledged is what was sent."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.ingest.forms import form, send
from tests.integration.ingest.harness import Ingest, clip, config, running
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wrong_s3 import KINDS, WrongS3

_SHARE = 0.15
_TRIES = 12
_MIB = 1024 * 1024
_UPLOADS = "/api/v1/uploads"
_TUS = {"tus-resumable": "1.0.0"}


async def _until(wanted: int, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """As a client does: a server's fault is tried again, anything else is an answer."""
    for _ in range(_TRIES):
        answer = await ask()
        if answer.status_code == wanted:
            return answer
        assert answer.status_code >= 500, answer.text
    raise AssertionError(answer.text)


async def _by_form(client: httpx.AsyncClient, content: bytes) -> str:
    body = form(("title", None, b"A title"), ("video", "a.mp4", content))
    key = secrets.token_hex(8)
    answer = await _until(202, lambda: send(client, body, idempotency_key=key))
    return answer.json()["data"]["job_id"]


async def _by_tus(client: httpx.AsyncClient, content: bytes) -> str:
    head = _TUS | {
        "upload-length": str(len(content)),
        "upload-metadata": "title QSB0aXRsZQ==",
        "idempotency-key": secrets.token_hex(8),
    }
    created = await _until(201, lambda: client.post(_UPLOADS, headers=head))
    address = created.headers["location"]

    async def go_on() -> httpx.Response:
        asked = await _until(200, lambda: client.head(address, headers=_TUS))
        offset = int(asked.headers["upload-offset"])
        return await client.patch(
            address,
            content=content[offset : offset + 6 * _MIB],
            headers=_TUS
            | {"upload-offset": str(offset), "content-type": "application/offset+octet-stream"},
        )

    while True:
        answer = await _until(204, go_on)
        if int(answer.headers["upload-offset"]) == len(content):
            return urlsplit(address).path.rsplit("/", 1)[1]


@pytest.mark.parametrize("kind", ["404", "500", "all"])
async def test_what_is_acknowledged_is_what_was_sent(
    database: Database, s3: Buckets, kind: str
) -> None:
    kinds = KINDS if kind == "all" else (kind,)
    with WrongS3(s3.endpoint, 0.0, kinds, seed=3).running() as wrong:
        async with running(config(database, s3, s3_endpoint=wrong.url), s3) as ingest:
            wrong.share = _SHARE
            await _upload_all(ingest)
    assert wrong.done.total() > wrong.done["right"]


async def _upload_all(ingest: Ingest) -> None:
    small = {seed: clip(20_000 + 7 * seed, seed) for seed in range(6)}
    large = {seed: clip(12 * _MIB + seed, seed) for seed in range(6, 9)}
    async with ingest.client() as client:
        ids = await asyncio.gather(
            *(_by_form(client, content) for content in (*small.values(), large[6])),
            *(_by_tus(client, content) for content in (small[0], large[7], large[8])),
        )
    sent = [*small.values(), large[6], small[0], large[7], large[8]]
    for upload_id, content in zip(ids, sent, strict=True):
        assert ingest.content(upload_id) == content
