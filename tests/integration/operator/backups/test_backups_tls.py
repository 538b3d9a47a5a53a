"""PostgreSQL's programs, which speak no TLS, reach a server that wants it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from services.operator.backups.database import snapshot
from services.operator.backups.dumps import dump
from shared.errors import Unavailable
from tests.support.certificates import self_signed
from tests.support.databases import Database

REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def certificate(folder: Path, address: str) -> Path:
    """A file with a key and its own certificate for an address."""
    made, key = self_signed("a server", addresses=(address,), authority=True)
    file = folder / f"{address}.pem"
    file.write_bytes(key + made)
    return file


@asynccontextmanager
async def in_front(url: str, pem: Path | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that speaks TLS, or does not, before the real one; its URL, and what was asked."""
    asked: list[bytes] = []
    host, port = urlsplit(url).hostname, urlsplit(url).port

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        try:
            first = await reader.readexactly(8)
            asked.append(first)
            if pem is None:
                writer.write(b"N")
            else:
                writer.write(b"S")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(pem)
                await writer.start_tls(context)
            await asyncio.gather(pipe(reader, back), pipe(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            back.close()
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        own = server.sockets[0].getsockname()[1]
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        yield urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{own}")), asked


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


async def dumped(database: Database, url: str) -> int:
    async with snapshot(database.url("backup")) as moment:
        return sum([len(chunk) async for chunk in dump(url, moment.name)])


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
async def test_a_dump_comes_through_tls(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    pem = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("PGSSLROOTCERT", str(pem))
    async with in_front(database.url("backup"), pem) as (url, asked):
        assert await dumped(database, f"{url}?sslmode={mode}") > 10_000
        assert asked == [REQUEST]


async def test_another_servers_certificate_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate(tmp_path, "127.0.0.1")))
    other = certificate(tmp_path, "127.0.0.2")
    async with in_front(database.url("backup"), other) as (url, _):
        with pytest.raises(Unavailable, match="certificate"):
            await dumped(database, f"{url}?sslmode=verify-full")


async def test_a_server_without_tls_is_refused_where_it_is_asked_for(database: Database) -> None:
    async with in_front(database.url("backup"), None) as (url, _):
        assert await dumped(database, f"{url}?sslmode=prefer") > 10_000
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await dumped(database, f"{url}?sslmode=require")
