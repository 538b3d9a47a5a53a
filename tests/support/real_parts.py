"""The real parts that tests run on: given by URL, else containers, else embedded."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.local.parts import Urls
from tests.support import containers

ROOT = Path(__file__).resolve().parents[2]

_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3

VARIABLES = {
    "postgres": "CINELOG_TEST_POSTGRES_URL",
    "amqp": "CINELOG_TEST_AMQP_URL",
    "rabbitmq_api": "CINELOG_TEST_RABBITMQ_API",
    "redis": "CINELOG_TEST_REDIS_URL",
    "s3_endpoint": "CINELOG_TEST_S3_ENDPOINT",
    "s3_access_key": "CINELOG_TEST_S3_ACCESS_KEY",
    "s3_secret_key": "CINELOG_TEST_S3_SECRET_KEY",
}


@contextmanager
def real_parts() -> Iterator[Urls]:
    """The first of the three that this machine offers."""
    given = {name: os.environ[var] for name, var in VARIABLES.items() if os.environ.get(var)}
    if given:
        missing = [var for name, var in VARIABLES.items() if name not in given]
        if missing:
            raise RuntimeError(f"parts are given by URL, but {', '.join(missing)} is not set")
        yield Urls(**given)
    elif containers.available():
        with containers.running() as urls:
            yield urls
    else:
        with embedded() as urls:
            yield urls


def in_memory() -> Path | None:
    """A folder in memory with room for a run's state; None where there is none.

    Programs are started from it too, so it must allow that. Copying a database creates hundreds
    of files, which costs a file system on a disk twenty times as much CPU time.
    """
    if not _MEMORY.is_dir():
        return None
    room = os.statvfs(_MEMORY)
    fits = room.f_bavail * room.f_frsize >= _ROOM and not room.f_flag & os.ST_NOEXEC
    return _MEMORY if fits else None


def packages() -> Path:
    """Where ``make fetch-dev`` has put what comes from Debian."""
    return Path(os.environ.get("CINELOG_HOME") or ROOT / ".local").resolve() / "packages"


@contextmanager
def embedded() -> Iterator[Urls]:
    """Parts of our own in a process that ends, with them, when this one does."""
    home = Path(tempfile.mkdtemp(prefix="cinelog-test-", dir=in_memory()))
    # The database server's user passes through; it cannot list.
    home.chmod(0o711)
    command = (
        sys.executable,
        "-m",
        "deploy.local.parts",
        str(home),
        str(packages()),
        "--temporary",
    )
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the embedded parts did not start (exit code {process.wait()})")
        try:
            yield msgspec.json.decode(line, type=Urls)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)
