"""Forked services behave as processes that were executed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.forked import Forked, run_service, start_service, used_cpu
from tests.support.wait import eventually

PROGRAM = "tests.unit.support.program"


def start(folder: Path, *arguments: str, **env: str) -> Forked:
    with (folder / "log").open("wb") as output:
        return start_service(PROGRAM, *arguments, env=env, output=output, folder=folder)


def test_it_gets_its_arguments_environment_folder_and_output(tmp_path: Path) -> None:
    process = start(tmp_path, "7", "b", LEFT="1")
    assert process.wait(30) == process.returncode == process.poll() == 7
    said = json.loads((tmp_path / "log").read_text())
    assert said == {"arguments": ["7", "b"], "env": {"LEFT": "1"}, "in": str(tmp_path)}


def test_output_and_errors_of_one_that_ends_are_kept_apart() -> None:
    ended = run_service(PROGRAM, "3", "loud", env={})
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["arguments"] == ["3", "loud"]
    assert ended.stderr == "an error\n"
    with pytest.raises(subprocess.TimeoutExpired):
        run_service(PROGRAM, "wait", env={}, timeout=0.2)


def test_its_cpu_time_is_known_once_it_was_waited_for(tmp_path: Path) -> None:
    process = start(tmp_path, "busy")
    before = used_cpu.seconds
    assert process.wait(30) == 0
    assert 0.3 < used_cpu.seconds - before < 3


async def test_a_signal_ends_it_and_is_its_status(tmp_path: Path) -> None:
    process = start(tmp_path, "wait")
    await eventually(lambda: (tmp_path / "log").read_text() != "", 30)
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.terminate()
    assert await process.wait_for_end() == -signal.SIGTERM
    process.kill()


def test_each_gets_its_own_environment(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    processes = [start(tmp_path / name, "0", NAME=name) for name in "ab"]
    assert [process.wait(30) for process in processes] == [0, 0]
    for name in "ab":
        assert json.loads((tmp_path / name / "log").read_text())["env"] == {"NAME": name}
