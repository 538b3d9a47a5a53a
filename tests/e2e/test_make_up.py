"""`make up`, `make down`, damage, `make up`: everything is still there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import daemon, state
from deploy.local.database import ROOT
from deploy.local.ports import choose
from deploy.local.supervisor import Status
from tests.e2e.people import SMALL, sign_up
from tests.support.wait import eventually


class Home:
    """An instance in a folder of its own, used as a person uses make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        packages = Path(os.environ.get("CINELOG_HOME") or ROOT / ".local") / "packages"
        if packages.is_dir():
            # What was downloaded once is not downloaded again.
            (folder / "packages").symlink_to(packages.resolve())
        port = choose(["gateway"], {})["gateway"]
        self.url = f"http://127.0.0.1:{port}"
        self._env = {**os.environ, "CINELOG_HOME": str(folder), "PORT": str(port), "WORKERS": "1"}

    def make(self, command: str, code: int = 0) -> str:
        """What the Makefile's target prints; fails unless it ends with this exit code.

        A port that another test's server took in between is chosen anew by a second try.
        """
        done = self._run(command)
        if done.returncode != code and "is already in use" in done.stdout:
            done = self._run(command)
        assert done.returncode == code, done.stdout
        return done.stdout

    def _run(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            (sys.executable, "-m", "deploy.local", command),
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            # Files of a careful person, below a folder that nobody else may enter.
            umask=0o077,
            check=False,
        )

    def freeze(self, name: str) -> int:
        """A process stands still from now on; returns its pid."""
        pid = self.status(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        return pid

    def is_back(self, name: str, pid: int) -> bool:
        """Whether another one runs in a process's place."""
        status = self.status(name)
        return status.state == "up" and status.pid != pid

    def status(self, name: str) -> Status:
        """Where one process stands."""
        report = daemon.read_report(state.Home(self.folder))
        assert report is not None
        return next(step for step in report.steps if step.name == name)


def damage(folder: Path) -> None:
    """What a power loss may leave of the files that say how things stand."""
    for name, left in {
        "ports.json": b"",
        "status.json": b'{"pid": 1',
        "secrets.json": b'{"postgres_passw',
        "migrated": b"\xff\xfe",
        "buckets": b"",
        "lock": b"\xff",
        "postgres/data/postmaster.pid": b"",
        "valkey/dump.rdb": b"garbage",
    }.items():
        (folder / name).write_bytes(left)
    cookie = folder / "rabbitmq" / ".erlang.cookie"
    cookie.chmod(0o600)
    cookie.write_bytes(b"")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that the database server's own user cannot reach, of a name that shells split."""
    folder = tmp_path_factory.mktemp("home") / "Zoë's clips, (2)"
    folder.mkdir()
    return Home(folder)


async def test_state_survives(home: Home) -> None:
    try:
        assert home.url in home.make("up")
        frozen = home.freeze("reconciler")
        with sign_up(home.url) as person:
            job = person.upload(SMALL, "Still here")
            assert person.finish(job)["status"] == "completed"
            assert "already up" in home.make("up")
            await eventually(lambda: home.is_back("reconciler", frozen), timeout=120)
            home.make("down")
            damage(home.folder)
            home.make("up")
            video = person.get(f"/api/v1/streaming/id/{job}")
            assert video is not None
            assert video["title"] == "Still here"
            # The token that was issued before is still good: the keys survived too.
            assert person.job(job)["status"] == "completed"
            assert person.plays(job)
        home.make("down")
        for secrets in home.folder.glob("secrets*.json"):
            secrets.write_bytes(b"")
        assert "put one of the two files back" in home.make("up", code=1)
    finally:
        home.make("clean")
