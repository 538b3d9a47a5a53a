"""The supervisor on real, small processes."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from deploy.local.process import Process, Step, Task
from deploy.local.supervisor import Status, StepFailed, Supervisor
from tests.support.wait import eventually

WRITES_PID = "import os, pathlib, time; pathlib.Path('{name}.pid').write_text(str(os.getpid()))\n"
STAYS = WRITES_PID + "time.sleep(600)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAYS
HAS_A_CHILD = (
    "import subprocess, pathlib\n"
    "child = subprocess.Popen(['sleep', '600'])\n"
    "pathlib.Path('child.pid').write_text(str(child.pid))\n" + STAYS
)
TALKS = (
    "print('x' * (12 << 20), flush=True)\n"
    + WRITES_PID
    + "while not print('line', flush=True): time.sleep(0.05)\n"
)

Supervise = Callable[..., Supervisor]


@pytest.fixture
async def supervise(tmp_path: Path) -> AsyncIterator[Supervise]:
    made: list[Supervisor] = []

    def make(*steps: Step, patience: float = 20.0, **further: Any) -> Supervisor:
        made.append(Supervisor(steps, tmp_path / "logs", patience=patience, **further))
        return made[-1]

    yield make
    for supervisor in made:
        await supervisor.stop()


def process(folder: Path, name: str, code: str = STAYS, *needs: str, grace: float = 20) -> Process:
    async def ready() -> bool:
        return pid_of(folder, name) is not None

    return Process(
        name,
        (sys.executable, "-c", code.format(name=name)),
        folder,
        ready,
        env={"PATH": os.environ["PATH"]},
        needs=frozenset(needs),
        grace=grace,
    )


def pid_of(folder: Path, name: str) -> int | None:
    try:
        text = (folder / f"{name}.pid").read_text()
    except FileNotFoundError:
        return None
    return int(text) if text and psutil.pid_exists(int(text)) else None


def status(supervisor: Supervisor, name: str) -> Status:
    return next(status for status in supervisor.statuses if status.name == name)


async def test_a_killed_process_is_started_again(tmp_path: Path, supervise: Supervise) -> None:
    supervisor = supervise(process(tmp_path, "worker"))
    await supervisor.start()
    first = status(supervisor, "worker").pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    await eventually(
        lambda: (
            status(supervisor, "worker").restarts == 1
            and status(supervisor, "worker").state == "up"
        ),
    )
    second = status(supervisor, "worker").pid
    assert second is not None
    assert second != first
    assert "SIGKILL" in status(supervisor, "worker").reason


async def test_a_status_that_cannot_be_written_ends_no_keeper(
    tmp_path: Path, supervise: Supervise
) -> None:
    full = False

    def written(_statuses: list[Status]) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = supervise(process(tmp_path, "worker"), changed=written)
    await supervisor.start()
    for _ in range(2):
        full = True
        restarts, pid = status(supervisor, "worker").restarts, status(supervisor, "worker").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda before=restarts: status(supervisor, "worker").restarts > before)
        full = False
        await eventually(lambda: status(supervisor, "worker").state == "up")


async def test_the_log_of_a_process_that_runs_stays_short(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(process(tmp_path, "talker", TALKS), log_seconds=0.1)
    await supervisor.start()
    log, aside = tmp_path / "logs" / "talker.log", tmp_path / "logs" / "talker.log.1"
    await eventually(aside.exists)
    await eventually(lambda: log.stat().st_size < 1 << 20 and b"line" in log.read_bytes())
    assert aside.stat().st_size > 10 << 20
    assert b"\0" not in log.read_bytes(), "it is appended to, not written with a hole"


async def test_what_a_killed_process_started_goes_with_it(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(process(tmp_path, "worker", HAS_A_CHILD))
    await supervisor.start()
    child = pid_of(tmp_path, "child")
    first = status(supervisor, "worker").pid
    assert child is not None
    assert first is not None

    os.kill(first, signal.SIGKILL)

    await eventually(lambda: not alive(child))


async def test_state_that_may_be_lost_is_put_aside_if_a_process_cannot_start_with_it(
    tmp_path: Path, supervise: Supervise
) -> None:
    state = tmp_path / "state"
    state.write_text("damaged")
    broken = "import pathlib\nif pathlib.Path('state').exists(): raise SystemExit(7)\n" + STAYS
    supervisor = supervise(
        msgspec.structs.replace(process(tmp_path, "cache", broken), expendable=state)
    )

    await supervisor.start()

    assert status(supervisor, "cache").state == "up"
    assert "exit code 7" in status(supervisor, "cache").reason
    assert not state.exists()
    assert (tmp_path / "state.unusable").read_text() == "damaged"


async def test_each_step_waits_for_what_it_needs(tmp_path: Path, supervise: Supervise) -> None:
    order: list[str] = []

    async def migrate() -> None:
        order.append("migrations" if pid_of(tmp_path, "database") else "too early")

    supervisor = supervise(
        process(tmp_path, "service", STAYS, "migrations"),
        Task("migrations", migrate, frozenset({"database"})),
        process(tmp_path, "database"),
    )
    await supervisor.start()

    assert order == ["migrations"]
    assert [each.state for each in supervisor.statuses] == ["up", "done", "up"]


async def test_stopping_takes_the_dependents_first(tmp_path: Path) -> None:
    stopped: list[str] = []
    steps = (process(tmp_path, "database"), process(tmp_path, "service", STAYS, "database"))

    def changed(statuses: list[Status]) -> None:
        stopped.extend(s.name for s in statuses if s.state == "stopped" and s.name not in stopped)

    supervisor = Supervisor(steps, tmp_path / "logs", changed)
    await supervisor.start()
    await supervisor.stop()

    assert stopped == ["service", "database"]
    assert pid_of(tmp_path, "service") is None
    assert pid_of(tmp_path, "database") is None


async def test_the_front_stops_before_everybody(tmp_path: Path) -> None:
    stopped: list[str] = []
    front = msgspec.structs.replace(process(tmp_path, "gateway"), front=True)

    def changed(statuses: list[Status]) -> None:
        stopped.extend(s.name for s in statuses if s.state == "stopped" and s.name not in stopped)

    steps = (front, process(tmp_path, "database"), process(tmp_path, "service", STAYS, "database"))
    supervisor = Supervisor(steps, tmp_path / "logs", changed)
    await supervisor.start()
    await supervisor.stop()

    assert stopped == ["gateway", "service", "database"]


async def test_a_process_that_ignores_the_signal_is_killed(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(process(tmp_path, "stubborn", IGNORES_SIGTERM, grace=0.2))
    await supervisor.start()

    await supervisor.stop()

    assert pid_of(tmp_path, "stubborn") is None


async def test_a_process_that_ends_while_starting_is_named(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(process(tmp_path, "broken", "raise SystemExit(3)"))

    with pytest.raises(StepFailed, match="broken ended with exit code 3"):
        await supervisor.start()

    assert status(supervisor, "broken").state == "failed"


async def test_a_process_that_never_gets_ready_is_named(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(process(tmp_path, "slow", "import time; time.sleep(600)"), patience=0.3)

    with pytest.raises(StepFailed, match="slow was not ready"):
        await supervisor.start()


async def test_a_task_that_fails_keeps_its_dependents_from_starting(
    tmp_path: Path, supervise: Supervise
) -> None:
    async def migrate() -> None:
        raise ValueError("no such column")

    supervisor = supervise(
        Task("migrations", migrate), process(tmp_path, "service", STAYS, "migrations")
    )

    with pytest.raises(StepFailed, match="migrations: no such column"):
        await supervisor.start()

    assert pid_of(tmp_path, "service") is None


async def test_processes_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from tests.integration.local import test_local_supervisor as own\n"
        "folder = Path(sys.argv[1])\n"
        "async def main():\n"
        "    await own.Supervisor([own.process(folder, 'orphan')], folder / 'logs').start()\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[3]
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), str(root)
    )
    pid = await eventually(lambda: pid_of(tmp_path, "orphan"))

    supervisor.kill()
    await supervisor.wait()

    await eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
