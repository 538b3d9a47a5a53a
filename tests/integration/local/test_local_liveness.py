"""The supervisor restarts what runs and no longer works."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest

from deploy.local import checks, ports
from deploy.local.migration import temporary_home
from deploy.local.parts import postgres
from deploy.local.process import Process, Step
from deploy.local.supervisor import Status, Supervisor
from tests.support.wait import eventually

Supervise = Callable[..., Supervisor]

# Answers HTTP; `/health` is 503 while a file named stuck is there.
SERVER = """
import http.server, os, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if self.path == "/health" and os.path.exists("stuck") else 200)
        self.end_headers()
    def log_message(self, *_): pass
if "child" in sys.argv:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    open("child.pid", "w").write(str(child.pid))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
async def supervise(tmp_path: Path) -> AsyncIterator[Supervise]:
    made: list[Supervisor] = []

    def make(*steps: Step, patience: float = 30.0) -> Supervisor:
        made.append(Supervisor(steps, tmp_path / "logs", patience=patience, probe_seconds=0.05))
        return made[-1]

    yield make
    for supervisor in made:
        await supervisor.stop()


def server(folder: Path, *arguments: str) -> Process:
    port = ports.choose(["server"], {})["server"]
    return Process(
        name="server",
        argv=(sys.executable, "-c", SERVER, str(port), *arguments),
        folder=folder,
        ready=checks.serves(port, "/ready", "HTTP/1.0 200 "),
        alive=checks.serves(port, "/health", "HTTP/1.0 200 ", patience=0.5),
        misses=3,
        env={"PATH": os.environ["PATH"]},
    )


def status(supervisor: Supervisor, name: str = "server") -> Status:
    return next(status for status in supervisor.statuses if status.name == name)


def is_back(supervisor: Supervisor, pid: int, name: str = "server") -> bool:
    now = status(supervisor, name)
    return now.state == "up" and now.pid not in (None, pid)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_frozen_process_is_killed_and_started_again(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(server(tmp_path))
    await supervisor.start()
    pid = status(supervisor).pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)

    await eventually(lambda: is_back(supervisor, pid))
    assert not runs(pid)
    assert status(supervisor).reason == "did not answer 3 times"


async def test_what_a_frozen_process_started_goes_with_it(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(server(tmp_path, "child"))
    await supervisor.start()
    pid = status(supervisor).pid
    assert pid is not None
    child = int((tmp_path / "child.pid").read_text())

    for each in (child, pid):
        os.kill(each, signal.SIGSTOP)

    await eventually(lambda: is_back(supervisor, pid))
    assert not runs(child)


async def test_a_process_whose_loops_are_stuck_is_started_again(
    tmp_path: Path, supervise: Supervise
) -> None:
    supervisor = supervise(server(tmp_path))
    await supervisor.start()
    pid = status(supervisor).pid
    assert pid is not None

    (tmp_path / "stuck").touch()
    await eventually(lambda: status(supervisor).restarts > 0)
    (tmp_path / "stuck").unlink()

    await eventually(lambda: is_back(supervisor, pid))


async def test_a_process_that_misses_some_probes_is_left_alone(
    tmp_path: Path, supervise: Supervise
) -> None:
    probes: list[bool] = []

    async def now_and_then() -> bool:
        probes.append(len(probes) % 3 == 2)
        return probes[-1]

    supervisor = supervise(msgspec.structs.replace(server(tmp_path), alive=now_and_then))
    await supervisor.start()

    await eventually(lambda: len(probes) > 20)
    assert status(supervisor).restarts == 0


async def test_a_process_that_freezes_while_it_is_started_again_is_started_once_more(
    tmp_path: Path, supervise: Supervise
) -> None:
    hangs = "import os, time\nwhile os.path.exists('hang'): time.sleep(0.05)\n" + SERVER
    process = server(tmp_path)
    argv = (*process.argv[:2], hangs, *process.argv[3:])
    supervisor = supervise(msgspec.structs.replace(process, argv=argv), patience=5.0)
    await supervisor.start()
    pid = status(supervisor).pid
    assert pid is not None

    (tmp_path / "hang").touch()
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: status(supervisor).restarts == 2)
    (tmp_path / "hang").unlink()

    await eventually(lambda: is_back(supervisor, pid))


async def test_a_process_that_cannot_be_launched_is_tried_again(
    tmp_path: Path, supervise: Supervise
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    supervisor = supervise(server(folder))
    await supervisor.start()
    pid = status(supervisor).pid
    assert pid is not None

    folder.rename(tmp_path / "elsewhere")
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: "could not be launched" in status(supervisor).reason)
    (tmp_path / "elsewhere").rename(folder)

    await eventually(lambda: is_back(supervisor, pid))


async def test_a_frozen_database_is_started_again_with_all_its_rows(supervise: Supervise) -> None:
    home = await asyncio.to_thread(temporary_home)
    chosen = ports.choose(postgres.PORTS, {})
    url = postgres.url(chosen, "a-password")
    initialise, server = postgres.steps(home, chosen, "a-password", durable=False)
    assert isinstance(server, Process)
    alive = checks.answers(chosen["postgres"], postgres.SSL_REQUEST, b"N", patience=0.5)
    quick = msgspec.structs.replace(server, alive=alive, misses=3)
    supervisor = supervise(initialise, quick, patience=120.0)
    try:
        await supervisor.start()
        connection = await asyncpg.connect(url)
        await connection.execute("create table kept as select 42 as number")
        pid = status(supervisor, "postgres").pid
        assert pid is not None
        everything = [*psutil.Process(pid).children(), psutil.Process(pid)]

        for each in everything:
            each.suspend()

        await eventually(lambda: is_back(supervisor, pid, "postgres"), timeout=120)
        connection.terminate()
        again = await asyncpg.connect(url)
        assert await again.fetchval("select number from kept") == 42
        await again.close()
    finally:
        await supervisor.stop()
        postgres.forget(home)
