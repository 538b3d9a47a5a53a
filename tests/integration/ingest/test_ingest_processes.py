"""The service as an operator runs it: started from its environment, killed, stopped, replaced."""

import asyncio
import base64
import contextlib
import http.server
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from shared.contracts import VideoDeleted, VideoUploaded, stream_id
from shared.event_store.postgres import open_event_store
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from tests.integration.ingest.forms import form, send
from tests.integration.ingest.harness import StaticKeys, clip, free_port
from tests.integration.ingest.tus_client import TUS, create, patch, stalling
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.forked import Forked, run_service, start_service
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024


class Operator:
    """Starts processes of the service and ends them."""

    def __init__(self, env: dict[str, str], keys: StaticKeys, log: Path) -> None:
        self._env = env
        self._keys = keys
        self._log = log
        self._running: list[Forked] = []

    async def start(self, **extra: str) -> tuple[Forked, httpx.AsyncClient]:
        port = free_port()
        with self._log.open("ab") as log:
            process = start_service(
                "services.ingest.main",
                env={**os.environ, **self._env, "BIND": f"127.0.0.1:{port}", **extra},
                output=log,
            )
        self._running.append(process)
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {self._keys.token('ann')}"},
            timeout=60,
            trust_env=False,
        )

        async def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get("/ready")).status_code == 200
            return False

        await eventually(ready, 60)
        return process, client

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def operator(database: Database, broker: Broker, s3: Buckets, tmp_path: Path) -> Iterator[Operator]:
    keys = StaticKeys()
    numbers = keys.private.public_key().public_numbers()

    def encoded(number: int) -> str:
        return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()

    document = msgspec.json.encode(
        {"keys": [{"kid": "test", "x": encoded(numbers.x), "y": encoded(numbers.y)}]}
    )

    class Jwks(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None: ...

    jwks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jwks)
    threading.Thread(target=jwks.serve_forever, daemon=True).start()
    env = {
        "CINELOG_MODE": "local",
        "DATABASE_URL": database.url("ingest"),
        "AMQP_URL": broker.amqp_url,
        "S3_ENDPOINT": s3.endpoint,
        "S3_REGION": s3.region,
        "S3_ACCESS_KEY": s3.access_key,
        "S3_SECRET_KEY": s3.secret_key,
        "S3_SOURCES_BUCKET": s3.sources,
        "DELETED_VIDEO_HOURS": "0",
        "JWKS_URL": f"http://127.0.0.1:{jwks.server_port}/",
        "JWT_ISSUER": "cinelog",
        "JWT_AUDIENCE": "cinelog",
        "SWEEP_SECONDS": "1",
    }
    started = Operator(env, keys, tmp_path / "ingest.log")
    try:
        yield started
    finally:
        started.stop()
        jwks.shutdown()
        jwks.server_close()


@pytest.mark.parametrize(
    ("end", "kept"), [(signal.SIGKILL, 5 * MIB), (signal.SIGTERM, 8 * MIB)], ids=["kill", "term"]
)
async def test_an_upload_outlives_its_process(
    operator: Operator, database: Database, s3: Buckets, end: signal.Signals, kept: int
) -> None:
    content = clip(14 * MIB)
    async with open_event_store(database.url("ingest")) as store:
        process, client = await operator.start()
        url = await create(client, len(content))
        hanging = asyncio.create_task(patch(client, url, 0, stalling(content[: 8 * MIB])))

        async def first_part_counted() -> bool:
            received = await store._pool.fetchval("select received from ingest.uploads")
            return received >= 5 * MIB

        await eventually(first_part_counted, 30)
        process.send_signal(end)
        code = await asyncio.to_thread(process.wait, 40)
        assert code == (-signal.SIGKILL if end == signal.SIGKILL else 0)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        await client.aclose()

        _, client = await operator.start()
        head = await client.head(url, headers=TUS)
        assert int(head.headers["upload-offset"]) == kept
        answer = await patch(client, url, kept, content[kept:])
        assert answer.status_code == 204, answer.text
        assert answer.headers["upload-offset"] == str(len(content))
        await client.aclose()
        upload_id = url.rpartition("/")[2]
        events = await store.read_stream(stream_id("upload", upload_id))
        assert isinstance(events[-1].data, VideoUploaded)
    found = s3.client().get_object(Bucket=s3.sources, Key=f"{upload_id}/source")
    assert found["Body"].read() == content


async def test_started_from_its_environment_it_does_its_whole_work(
    operator: Operator, database: Database, s3: Buckets
) -> None:
    async with (
        open_event_store(database.url("ingest")) as store,
        open_event_store(database.url("catalog")) as catalog,
    ):
        _, client = await operator.start()
        answer = await send(client, form(("title", None, b"T"), ("video", "a.mp4", clip(6 * MIB))))
        assert answer.status_code == 202, answer.text
        video_id = answer.json()["data"]["job_id"]
        assert s3.keys(s3.sources) == [f"{video_id}/source"]
        document = (await client.get("/internal/openapi.json")).json()
        upload = document["paths"]["/api/v1/streaming/upload"]["post"]
        assert "multipart/form-data" in upload["requestBody"]["content"]
        assert {"/api/v1/uploads", "/api/v1/uploads/{upload_id}"} <= set(document["paths"])
        metrics = (await client.get("/metrics")).text
        assert 'route="/api/v1/streaming/upload"' in metrics
        # Nothing sequences the log here; the place is stamped as the relay would.
        deleted = VideoDeleted(video_id=video_id, user_id="ann", deleted_by="ann")
        await catalog.append(stream_id("video", video_id), 0, [NewEvent(deleted)], Metadata())
        await _stamp(database)
        await eventually(lambda: s3.keys(s3.sources) == [], 30)
        assert await store._pool.fetchval("select count(*) from ingest.doomed_objects") == 0
        await client.aclose()


async def _stamp(database: Database) -> None:
    connection = await asyncpg.connect(database.url("relay"))
    sequencer = Sequencer(connection)
    await sequencer.load()
    await sequencer.stamp()
    await connection.close()


def test_a_missing_variable_is_named_in_one_line() -> None:
    env = {"PATH": os.environ["PATH"], "BIND": "127.0.0.1:1"}
    ended = run_service("services.ingest.main", env=env)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "DATABASE_URL" in ended.stderr
