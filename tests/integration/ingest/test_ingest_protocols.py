"""Every protocol carries every field that a sender may say of an upload."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from services.ingest.details import NAMES
from shared.contracts import VideoUploaded
from tests.integration.ingest.forms import form, send
from tests.integration.ingest.harness import Ingest, clip
from tests.integration.ingest.test_ingest_direct import DIRECT, put
from tests.integration.ingest.test_ingest_tus import STREAM, TUS, UPLOADS, metadata

CONTENT = clip(9000)
# As text, and as it is recorded. A new field needs a line here.
SENT = {
    "title": ("Größe & más", "Größe & más"),
    "description": ("Two\nlines", "Two\nlines"),
    "filename": ("my film.mp4", "my film.mp4"),
    "tags": ("one,two", ("one", "two")),
}
TEXTS = {name: text for name, (text, _) in SENT.items()}


async def by_form(client: httpx.AsyncClient) -> httpx.Response:
    fields = [(name, None, text.encode()) for name, text in TEXTS.items() if name != "filename"]
    return await send(client, form(*fields, ("video", TEXTS["filename"], CONTENT)))


async def by_tus(client: httpx.AsyncClient) -> httpx.Response:
    size = {"upload-length": str(len(CONTENT))}
    created = await client.post(UPLOADS, headers=TUS | metadata(**TEXTS) | size)
    assert created.status_code == 201, created.text
    return await client.patch(
        created.headers["location"], content=CONTENT, headers=TUS | STREAM | {"upload-offset": "0"}
    )


async def by_draft(client: httpx.AsyncClient) -> httpx.Response:
    named = {"content-disposition": f'inline; filename="{TEXTS["filename"]}"'}
    params = {name: text for name, text in TEXTS.items() if name != "filename"}
    headers = named | {"upload-complete": "?1"}
    return await client.post(UPLOADS, params=params, content=CONTENT, headers=headers)


async def by_direct(client: httpx.AsyncClient) -> httpx.Response:
    wanted = {name: list(kept) if name == "tags" else kept for name, (_, kept) in SENT.items()}
    begun = await client.post(DIRECT, json={**wanted, "size": len(CONTENT)})
    assert begun.status_code == 201, begun.text
    plan = begun.json()["data"]
    await put(plan["parts"][0], CONTENT)
    return await client.post(plan["complete"])


@pytest.mark.parametrize("protocol", [by_form, by_tus, by_draft, by_direct])
async def test_every_field_arrives(
    ingest: Ingest, protocol: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
) -> None:
    assert set(SENT) == set(NAMES)
    async with ingest.client() as client:
        answer = await protocol(client)
    assert answer.is_success, answer.text
    uploaded = (await ingest.all_events())[-1]
    assert isinstance(uploaded, VideoUploaded)
    recorded = {name: getattr(uploaded, name) for name in NAMES}
    assert recorded == {name: kept for name, (_, kept) in SENT.items()}
