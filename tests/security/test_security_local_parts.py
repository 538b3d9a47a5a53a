"""The ports of the local parts without credentials: nothing can be read or changed (OWASP ASVS 5,
V13: configuration)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from deploy.local import ports
from deploy.local.parts import Urls, seaweedfs
from deploy.local.process import Process
from services.operator.disk_sync import FolderSync, sync_route
from shared.blobs.disk_sync import authorization, disk_sync
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.store import BlobStoreUnavailable
from shared.http.app import create_app
from shared.http.server import serving
from shared.settings import Address
from tests.support.brokers import Broker
from tests.support.certificates import self_signed
from tests.support.databases import Database
from tests.support.wait import eventually

SECRET = "not-a-secret-but-long-enough"
BUCKET = "uploads"


class Storage:
    """SeaweedFS as ``make up`` starts it, with one object."""

    def __init__(self, given: dict[str, int], bucket: S3Store) -> None:
        self.ports = given
        self.bucket = bucket


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    given = ports.choose(seaweedfs.PORTS, {})
    (step,) = (
        step for step in seaweedfs.steps(tmp_path, given, SECRET) if isinstance(step, Process)
    )
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *step.argv, cwd=step.folder, env=dict(step.env), stdout=quiet, stderr=quiet
    )
    try:
        await eventually(step.ready)
        endpoint = f"http://127.0.0.1:{given['s3']}"
        async with s3_client(endpoint, "us-east-1", seaweedfs.ACCESS_KEY, SECRET) as client:
            bucket = S3Store(client, BUCKET, None)
            await bucket.ensure_bucket()
            await bucket.put("kept", b"as it was", "text/plain")
            yield Storage(given, bucket)
    finally:
        process.kill()
        await process.wait()


ATTACKS = [
    ("filer", "GET", "/buckets/uploads/kept"),
    ("filer", "GET", "/buckets/uploads/?limit=10"),
    ("filer", "HEAD", "/buckets/uploads/kept"),
    ("filer", "PUT", "/buckets/uploads/kept"),
    ("filer", "POST", "/buckets/uploads/moved?mv.from=/buckets/uploads/kept"),
    ("filer", "DELETE", "/buckets/uploads/kept"),
    ("filer", "DELETE", "/buckets/uploads?recursive=true"),
    ("master", "GET", "/dir/assign?collection=uploads"),
    ("master", "GET", "/dir/lookup?volumeId=1"),
    ("master", "GET", "/col/delete?collection=uploads"),
    ("master", "POST", "/submit"),
    ("master", "GET", "/vol/vacuum"),
    ("volume", "GET", "/1,01637037d6"),
    ("volume", "PUT", "/1,01637037d6"),
    ("volume", "POST", "/1,01637037d6"),
    ("volume", "DELETE", "/1,01637037d6"),
    ("volume", "GET", "/ui/index.html"),
    ("volume", "GET", "/status"),
    ("volume", "GET", "/stats/disk"),
    ("filer", "GET", "/status"),
    ("s3", "GET", "/"),
    ("s3", "GET", "/uploads/kept"),
    ("s3", "PUT", "/uploads/kept"),
    ("s3", "DELETE", "/uploads/kept"),
    ("s3", "POST", "/?Action=CreateUser&UserName=evil"),
]


async def test_no_http_port_of_the_storage_obeys_without_credentials(storage: Storage) -> None:
    async with httpx.AsyncClient(timeout=10) as client:
        for part, method, path in ATTACKS:
            body = b"evil" if method in ("PUT", "POST") else None
            for scheme in ("http", "https"):
                url = f"{scheme}://127.0.0.1:{storage.ports[part]}{path}"
                status = await refused(client, method, url, body)
                assert status is None or 400 <= status < 500, (part, method, path, status)
    assert await storage.bucket.read("kept") == b"as it was"
    assert [info.key async for info in storage.bucket.list()] == ["kept"]


async def refused(
    client: httpx.AsyncClient, method: str, url: str, body: bytes | None
) -> int | None:
    """The status of the answer; None where the connection is refused."""
    if url.startswith("https"):
        client = httpx.AsyncClient(timeout=10, verify=False)
    try:
        return (await client.request(method, url, content=body)).status_code
    except (httpx.TransportError, ssl.SSLError):
        return None


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("encrypted", [False, True])
async def test_no_grpc_port_of_the_storage_talks_to_strangers(
    storage: Storage, *, encrypted: bool
) -> None:
    for part in ("master", "volume", "filer", "s3"):
        context = None
        if encrypted:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
        port = storage.ports[f"{part}_grpc"]
        assert await said(port, PREFACE, context) == b"", part


async def said(port: int, send: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """What a server answers before it closes the connection; empty where it refuses."""
    try:
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                writer.write(send)
                return await reader.read(4096)
            finally:
                writer.close()
    except (OSError, ssl.SSLError):
        return b""


async def test_certificate_and_keys_stay_and_are_private(tmp_path: Path) -> None:
    given = ports.choose(seaweedfs.PORTS, {})
    seaweedfs.steps(tmp_path, given, SECRET)
    folder = tmp_path / "seaweedfs"
    names = ("part.crt", "part.key", "security.toml")
    first = {name: (folder / name).read_bytes() for name in names}
    assert {(folder / name).stat().st_mode & 0o077 for name in names} == {0}
    seaweedfs.steps(tmp_path, given, SECRET)
    assert {name: (folder / name).read_bytes() for name in names} == first
    # A certificate from before the address was in it.
    older = self_signed("cinelog-seaweedfs", days=3650)
    (folder / "part.crt").write_bytes(older[0])
    (folder / "part.key").write_bytes(older[1])
    seaweedfs.steps(tmp_path, given, SECRET)
    first["part.key"] = (folder / "part.key").read_bytes()
    assert first["part.key"] != older[1]
    # A loss of power left half of it.
    (folder / "part.key").write_bytes(first["part.key"][:40])
    seaweedfs.steps(tmp_path, given, SECRET)
    assert (folder / "part.key").read_bytes() not in (first["part.key"], first["part.key"][:40])


async def test_the_disk_is_synced_for_who_knows_the_storages_secret(tmp_path: Path) -> None:
    class Counted(FolderSync):
        runs = 0

        async def run(self) -> int:
            self.runs += 1
            return await super().run()

    folder = Counted(tmp_path)
    app = create_app("disk-sync", [sync_route(folder, SECRET, CollectorRegistry())])
    port = ports.choose(("sync",), {})["sync"]
    url = f"http://127.0.0.1:{port}/sync"
    async with serving(app, Address("127.0.0.1", port)), httpx.AsyncClient() as client:
        for shown in (None, "", "Bearer", "Bearer x", f"Bearer {SECRET}", authorization("other")):
            headers = {} if shown is None else {"authorization": shown}
            answer = await client.post(url, headers=headers)
            assert answer.status_code == 401, shown
        async with disk_sync(url, "another-secret") as stranger:
            with pytest.raises(BlobStoreUnavailable):
                await stranger()
        assert folder.runs == 0
        async with disk_sync(url, SECRET) as flush:
            await flush()
    assert folder.runs == 1
    folder.close()


async def test_the_database_asks_for_a_password(database: Database) -> None:
    import asyncpg

    host, port = address(database.admin_url)
    for user in ("cinelog_admin", "postgres", "transcoder"):
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await asyncpg.connect(host=host, port=port, user=user, password="", database="postgres")


async def test_the_broker_asks_for_a_password(broker: Broker) -> None:
    host, port = address(broker.amqp_url)
    assert host == "127.0.0.1"
    for login in ("guest:guest@", "cinelog:@", ""):
        import aio_pika

        with pytest.raises((aio_pika.exceptions.AMQPError, OSError)):
            await aio_pika.connect(f"amqp://{login}127.0.0.1:{port}/", timeout=5)


async def test_the_brokers_management_asks_for_a_password(parts: Urls) -> None:
    api = httpx.URL(parts.rabbitmq_api).copy_with(username=None, password=None)
    async with httpx.AsyncClient(timeout=10) as client:
        for path in ("overview", "definitions", "users", "queues"):
            for login in (None, ("guest", "guest"), ("cinelog", "")):
                answer = await client.get(f"{api}/{path}", auth=login)
                assert answer.status_code == 401, (path, login)


async def test_valkey_asks_for_a_password(redis_url: str) -> None:
    _, port = address(redis_url)
    for command in (b"KEYS *", b"FLUSHALL", b"CONFIG GET *", b"EVAL 'return 1' 0", b"AUTH x"):
        answer = await said(port, command + b"\r\nQUIT\r\n")
        assert answer.startswith((b"-NOAUTH", b"-WRONGPASS")), command


def address(url: str) -> tuple[str, int]:
    parsed = httpx.URL(url)
    return parsed.host, parsed.port or 0
