"""Accounts with small quotas, and what the log says of them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import asyncpg
import httpx

from services.ingest.usage_projection import StoredUsage
from shared.contracts import (
    EncodedTrack,
    LiveConnected,
    LiveEnded,
    LivePublished,
    Segment,
    stream_id,
)
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.event_applier import Projection
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from tests.integration.ingest.facts import Fact
from tests.integration.ingest.forms import form, send
from tests.integration.ingest.harness import clip
from tests.support.databases import Database

KIB = 1024


UPLOADS = "/api/v1/uploads"


USAGE_PATH = "/api/v1/users/me/usage"


TUS = {"tus-resumable": "1.0.0"}


TITLE = {"upload-metadata": "title QSB0aXRsZQ=="}


LIMITS = {
    "quota_bytes": 100 * KIB,
    "quota_videos": 6,
    "quota_open_uploads": 4,
    "quota_encode_minutes": 10,
}


async def open_upload(
    client: httpx.AsyncClient, length: int | None, **headers: str
) -> httpx.Response:
    size = {"upload-defer-length": "1"} if length is None else {"upload-length": str(length)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(UPLOADS, headers=TUS | TITLE | size | named)


async def send_form(client: httpx.AsyncClient, size: int) -> httpx.Response:
    return await send(client, form(("title", None, b"A"), ("video", "a.mp4", clip(size))))


async def usage_of(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(USAGE_PATH)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def append_facts(database: Database, facts: Iterable[Fact]) -> None:
    """Put facts into the log, behind those that their streams have, with positions."""
    async with open_event_store(database.admin_url) as store:
        for stream, event in facts:
            version = len(await store.read_stream(stream))
            await store.append(stream, version, [NewEvent(event)], Metadata())
    relay = await asyncpg.connect(database.url("relay"))
    sequencer = Sequencer(relay)
    await sequencer.load()
    while await sequencer.stamp():
        pass
    await relay.close()


async def catch_up(database: Database, projection: Projection | None = None) -> None:
    engine = create_engine(database.url("ingest"), size=2)
    async with open_event_store(database.url("ingest")) as store:
        runner = ProjectionRunner(engine, store, projection or StoredUsage(), "ingest")
        await runner._applier.load()
        await runner.catch_up()
    await engine.dispose()


def live_connected(video: str, user: str, *, record: bool = True) -> Fact:
    connected = LiveConnected(
        video_id=uuid_of(video),
        live_id="live",
        user_id=user,
        epoch=1,
        protocol="rtmp",
        title="A live",
        description="",
        visibility="public",
        latency="low",
        replica="one",
        record=record,
    )
    return session_stream(video), connected


def live_published(video: str, first: int, *sizes: int) -> Fact:
    """A batch of a single track."""
    track = EncodedTrack(
        name="top",
        timescale=1000,
        codecs="avc1",
        init_key="init.mp4",
        init_sha256="00",
        segments=tuple(
            Segment(index=first + at, start=0, duration=2000, size=size)
            for at, size in enumerate(sizes)
        ),
    )
    batch = LivePublished(
        video_id=uuid_of(video),
        epoch=1,
        first_segment=first,
        started_at=datetime(2030, 1, 2, tzinfo=UTC),
        tracks=(track,),
    )
    return session_stream(video), batch


def live_ended(video: str, user: str) -> Fact:
    ended = LiveEnded(video_id=uuid_of(video), live_id="live", user_id=user, reason="over")
    return session_stream(video), ended


def uuid_of(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def session_stream(name: str) -> str:
    return stream_id("livesession", uuid_of(name))
