"""TLS to PostgreSQL for its own programs, which come without.

They connect to a socket in a folder that only we may enter; what they say goes on encrypted, as
the URL's ``sslmode``, else PGSSLMODE, and PGSSLROOTCERT ask for.
"""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from shared.errors import Unavailable

_PORT: Final = 5432
# The length of the request, then the number that asks for TLS.
_REQUEST: Final = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_CHUNK: Final = 64 * 1024


class NoTls(Unavailable):
    """The server does not speak TLS."""

    code = "no_tls"


class Server:
    """A server of a URL, and how TLS is spoken with it."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or "localhost"
        self.port = parts.port or _PORT
        asked = parse_qs(parts.query).get("sslmode", [environment.get("PGSSLMODE") or "prefer"])
        self.mode = asked[0]
        self._authorities = environment.get("PGSSLROOTCERT")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which TLS has begun, where it has to. Raises OSError, NoTls."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            if self.mode not in ("disable", "allow"):
                await self._start_tls(reader, writer)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _start_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_REQUEST)
        await writer.drain()
        if await reader.readexactly(1) == b"S":
            await writer.start_tls(self._context(), server_hostname=self.host)
        elif self.mode != "prefer":
            raise NoTls(f"{self.host} does not speak TLS, which PGSSLMODE={self.mode} asks for")

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._authorities)
        context.check_hostname = self.mode == "verify-full"
        # As libpq does: with an authority given, its certificates are asked for.
        if self.mode not in ("verify-ca", "verify-full") and not self._authorities:
            context.verify_mode = ssl.CERT_NONE
        return context


@asynccontextmanager
async def tunnel(server: Server) -> AsyncGenerator[str]:
    """The folder of a socket that leads to the server; what cannot be reached is closed."""
    failures: list[Exception] = []

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                there, back = await server.connect()
            except (OSError, NoTls, asyncio.IncompleteReadError) as error:
                failures.append(error)
                return
            with contextlib.closing(back):
                await asyncio.gather(_pipe(reader, back), _pipe(there, writer))

    with tempfile.TemporaryDirectory(prefix="cinelog-pg-") as folder:
        path = Path(folder, f".s.PGSQL.{server.port}")
        async with await asyncio.start_unix_server(lead, path):
            try:
                yield folder
            except Exception as error:
                if failures:
                    raise Unavailable(str(failures[0])) from error
                raise


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
