"""One owner per home folder, and nothing left of a supervisor that was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.local import commands, daemon
from deploy.local.state import Home
from deploy.local.supervisor import Status


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_home_has_one_owner_at_a_time(home: Home) -> None:
    assert not daemon.is_running(home)
    with daemon.ownership(home):
        assert daemon.is_running(home)
        with pytest.raises(daemon.AlreadyRuns), daemon.ownership(home):
            pass
    assert not daemon.is_running(home)


def test_looking_at_a_home_that_does_not_exist_does_not_make_one(home: Home) -> None:
    assert commands.status(home) == 1
    assert commands.down(home) == 0
    assert commands.clean(home) == 0
    assert not home.folder.exists()


def test_a_taken_port_is_said_before_anything_starts(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert commands.up(home, port, 1) == 1

    assert f"port {port} is taken" in capsys.readouterr().err
    assert not home.folder.exists()


def test_what_a_killed_supervisor_left_is_ended() -> None:
    leftover = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"))
    stranger = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"))
    try:
        now = time.time()
        report = daemon.Report(
            pid=os.getpid(),
            port=1,
            workers=1,
            steps=[
                Status("ours", pid=leftover.pid, started_at=now),
                # The pid was given to somebody else since.
                Status("reused", pid=stranger.pid, started_at=now - 3600),
                Status("gone", pid=2**22 + 1, started_at=now),
            ],
        )

        daemon.end_leftovers(report, 0.1)

        assert not psutil.pid_exists(leftover.pid)
        assert psutil.Process(stranger.pid).is_running()
    finally:
        for process in (leftover, stranger):
            process.kill()
            process.wait()


def test_only_a_folder_of_ours_is_emptied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("diary")

    assert commands.clean(Home(tmp_path)) == 1

    assert precious.read_text() == "diary"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert "remove it yourself" in capsys.readouterr().err


def test_cleaning_keeps_the_downloaded_packages(home: Home) -> None:
    home.secrets(["a"])
    (home.folder / "packages").mkdir()
    (home.folder / "logs").mkdir()

    assert commands.clean(home) == 0

    assert [path.name for path in home.folder.iterdir()] == ["packages"]
