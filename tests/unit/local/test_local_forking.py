"""The server that ``make up`` forks services from."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from deploy.local.forking import PYTHON, Forked, ForkServer
from deploy.local.process import Process
from deploy.local.supervisor import Supervisor
from tests.support.wait import eventually

PROGRAM = "tests.unit.support.program"
THREADS = 8


@pytest.fixture
def server() -> Iterator[ForkServer]:
    own = ForkServer([PROGRAM])
    yield own
    own.close()


def start(server: ForkServer, folder: Path, *arguments: str, **env: str) -> Forked:
    with (folder / "log").open("wb") as output:
        return server.start(PROGRAM, *arguments, env=env, output=output, folder=folder)


def server_pid(server: ForkServer) -> int:
    assert server.pid is not None
    return server.pid


def test_threads_that_start_processes_at_once_share_a_server(
    server: ForkServer, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        asked = [threads.submit(start, server, tmp_path, "wait") for _ in range(THREADS)]
        processes = [each.result() for each in asked]
    parents = {psutil.Process(process.pid).ppid() for process in processes}
    assert parents == {server_pid(server)}


async def test_its_processes_end_with_it_and_the_next_one_has_another_server(
    server: ForkServer, tmp_path: Path
) -> None:
    process = start(server, tmp_path, "wait")
    await eventually(lambda: (tmp_path / "log").read_text() != "", 30)
    killed = server_pid(server)
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(30):
        assert await process.wait_for_end() == -signal.SIGTERM
    await eventually(lambda: psutil.Process(killed).status() == psutil.STATUS_ZOMBIE, 30)
    again = start(server, tmp_path, "0")
    assert again.wait(30) == 0
    assert server_pid(server) != killed


async def test_a_supervised_process_outlives_the_server(server: ForkServer, tmp_path: Path) -> None:
    async def ready() -> bool:
        return (tmp_path / "logs" / "one.log").read_bytes() != b""

    step = Process("one", (*PYTHON, PROGRAM, "wait"), tmp_path, ready)
    supervisor = Supervisor([step], tmp_path / "logs", launch=server.launch)
    await supervisor.start()
    try:
        first = supervisor.statuses[0].pid
        os.kill(server_pid(server), signal.SIGKILL)
        await eventually(lambda: supervisor.statuses[0].pid not in (None, first), 30)
        await eventually(lambda: supervisor.statuses[0].state == "up", 30)
    finally:
        await supervisor.stop()


def test_the_server_never_holds_the_secrets_of_its_processes(
    server: ForkServer, tmp_path: Path
) -> None:
    secret = "such as a password: " + os.urandom(8).hex()
    process = start(server, tmp_path, "wait", PASSWORD=secret)
    memory = {pid: _writable_memory(pid) for pid in (server_pid(server), process.pid)}
    assert secret.encode() not in memory[server_pid(server)]


def _writable_memory(pid: int) -> bytes:
    found = bytearray()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw") or "[v" in line:
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            memory.seek(begin)
            try:
                found += memory.read(end - begin)
            except OSError:
                continue
    return bytes(found)


def test_a_module_that_cannot_be_imported_harms_only_its_own_process(tmp_path: Path) -> None:
    own = ForkServer(["no.such.module", PROGRAM])
    try:
        with (tmp_path / "log").open("wb") as output:
            bad = own.start("no.such.module", env={}, output=output, folder=tmp_path)
        assert bad.wait(30) == 1
        assert "No module named" in (tmp_path / "log").read_text()
        assert start(own, tmp_path, "0").wait(30) == 0
    finally:
        own.close()


def test_services_are_forked_from_a_process_of_one_thread(tmp_path: Path) -> None:
    """What another thread holds at a fork is held for good in the new process."""
    modules = ("services.gateway.main", "services.live.main", "services.transcoder.main")
    own = ForkServer(modules)
    try:
        process = start(own, tmp_path, "wait")
        assert psutil.Process(server_pid(own)).num_threads() == 1
        shared = psutil.Process(process.pid).memory_full_info()
        # It has the modules, and nearly nothing of its own.
        assert shared.rss > 4 * shared.uss
    finally:
        own.close()


def test_a_program_that_is_no_python_module_is_executed(server: ForkServer, tmp_path: Path) -> None:
    step = Process("other", (sys.executable, "-c", "pass"), tmp_path, ready=_never)
    (tmp_path / "logs").mkdir()

    async def run() -> int:
        running = await server.launch(step, tmp_path / "logs")
        return await running.wait()

    assert asyncio.run(run()) == 0
    assert server.pid is None


async def _never() -> bool:
    return False
