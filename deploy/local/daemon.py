"""The process behind ``make up``: owns the home folder, supervises, and says how things stand."""

import asyncio
import fcntl
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import psutil
from msgspec import Struct

from deploy.local import environments, observability, parts, stack
from deploy.local.files import remove_partial, write_private
from deploy.local.forking import ForkServer
from deploy.local.process import Step, Task
from deploy.local.state import Home, StateDamaged, read_json
from deploy.local.supervisor import Status, StepFailed, Supervisor
from deploy.needs import table

PROBE_SECONDS = 3.0
"""Seconds between two looks whether a process still works."""
LEFTOVER_PATIENCE = 6.0
"""Seconds that processes of a supervisor that was killed get to end by themselves."""


class Report(Struct):
    """What the supervisor last wrote about itself; read by ``make up`` and ``make status``."""

    pid: int
    port: int
    workers: int
    steps: list[Status]
    phase: str = "starting"
    """starting, ready, failed, stopping or stopped."""
    reason: str = ""
    places: dict[str, str] = {}
    """Further addresses to look at, and what is there."""
    stopped: bool = False
    """Whether only the parts run, prepared for the services: for a restore."""


class AlreadyRuns(Exception):
    """Another supervisor owns the home folder."""


@contextmanager
def ownership(home: Home) -> Iterator[IO[str]]:
    """Hold the home folder; raises AlreadyRuns. The kernel lets go when the process ends.

    Yields the file that says which process holds it.
    """
    home.folder.mkdir(parents=True, exist_ok=True)
    with (home.folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRuns from error
        yield lock


def is_running(home: Home) -> bool:
    """Whether a supervisor owns the home folder."""
    if not (home.folder / "lock").exists():
        return False  # looking leaves no trace
    try:
        with ownership(home):
            return False
    except AlreadyRuns:
        return True


def owner(home: Home) -> int | None:
    """The pid of the supervisor that owns the home folder; None while it is starting."""
    pid = (home.folder / "lock").read_bytes()
    return int(pid) if pid.isdigit() else None


def read_report(home: Home) -> Report | None:
    """The last report; None if there never was one, or none that can be read."""
    return read_json(_report_file(home), Report)


def serve(home: Home, port: int, workers: int, packages: Path) -> int:
    """Run everything until SIGTERM; returns the exit code. Raises AlreadyRuns."""
    with ownership(home) as lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        last = read_report(home)
        end_leftovers(last, LEFTOVER_PATIENCE)
        remove_partial(home.folder)
        if last is None or last.phase != "stopped":
            # A power loss may have undone what the last one noted as done.
            stack.forget_what_is_done(home.folder)
        os.umask(0o077)  # videos and logs lie below; the folder itself is passed through
        report = Report(os.getpid(), port, workers, [], stopped=os.environ.get("STOPPED") == "1")
        # On the disk before anything is done: an older report may say that all was stopped.
        _write(home, report, durable=True)
        try:
            steps = _prepare(home, report, packages)
        except Exception as error:
            traceback.print_exc()
            report.phase, report.reason = "failed", str(error) or type(error).__name__
            _write(home, report)
            return 1
        return asyncio.run(_supervise(home, report, steps))


def _prepare(home: Home, report: Report, packages: Path) -> tuple[Step, ...]:
    """Everything that is to be run. Raises what its parts and its state raise."""
    observed = observability.wanted(os.environ)
    further = observability.PORTS if observed else ()
    names = (*parts.PORTS, *environments.port_names(report.workers), *further)
    ports = home.ports(names, environments.PREFERRED_PORTS)
    options = observability.options(ports) if observed else {}
    layout, cinelog = instance(home, report.port, report.workers, packages, ports, options=options)
    services = stack.steps(cinelog, parts.READY)
    if report.stopped:
        services = tuple(step for step in services if isinstance(step, Task))
    steps = (*parts.steps(layout), *services)
    report.places = {environments.rtmp_url(ports): "where OBS and ffmpeg publish, with a key"}
    if observed:
        steps += observability.steps(home.folder, packages, ports, report.workers)
        report.places |= observability.places(ports)
    return steps


async def _supervise(home: Home, report: Report, steps: tuple[Step, ...]) -> int:
    def changed(statuses: list[Status]) -> None:
        report.steps = statuses
        _write(home, report)

    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    forks = ForkServer(stack.programs(steps), environment=environments.of_fork_server())
    # Its imports take seconds, in which the parts start.
    forks.begin()
    supervisor = Supervisor(
        steps, home.logs, changed, probe_seconds=PROBE_SECONDS, launch=forks.launch
    )
    changed(supervisor.statuses)
    start = asyncio.create_task(supervisor.start())
    stop_requested = asyncio.create_task(end.wait())
    try:
        await asyncio.wait({start, stop_requested}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
            report.phase = "ready"
            changed(supervisor.statuses)
            await stop_requested
    except StepFailed as error:
        report.phase, report.reason = "failed", str(error)
        changed(supervisor.statuses)
        return 1
    finally:
        start.cancel()
        await asyncio.wait({start})
        if report.phase != "failed":
            report.phase = "stopping"
        await supervisor.stop()
        forks.close()
    report.phase = "stopped"
    _write(home, report)
    return 0


def instance(
    home: Home,
    port: int,
    workers: int,
    packages: Path,
    ports: Mapping[str, int],
    *,
    options: Mapping[str, str] = {},
) -> tuple[parts.Layout, environments.Stack]:
    """The parts and the services of a home folder, whether they run or not.

    ``options`` are further variables for the services; those of our own environment replace them.
    Raises StateDamaged where ports or secrets are missing.
    """
    needed = {*parts.PORTS, *environments.port_names(workers)}
    if not needed <= ports.keys():
        raise StateDamaged(
            "ports.json was damaged: make down, then make up, which chooses new ports"
        )
    chosen = {name: os.environ[name] for name in table().options if os.environ.get(name)}
    secrets = home.secrets((*parts.SECRETS, *environments.secret_names(), "demo_password"))
    layout = parts.Layout(home.folder, packages, ports, secrets)
    return layout, environments.Stack(
        home=home.folder,
        urls=parts.urls(layout),
        port=port,
        ports=ports,
        secrets=secrets,
        workers=workers,
        options={**options, **chosen},
    )


def end_leftovers(report: Report | None, seconds: float) -> None:
    """Wait until the processes of a killed supervisor are gone; the kernel has sent them SIGTERM.

    What still runs after so many seconds is killed.
    """
    if report is None:
        return
    processes: list[psutil.Process] = []
    for status in report.steps:
        if status.pid is None:
            continue
        try:
            process = psutil.Process(status.pid)
            if abs(process.create_time() - (status.started_at or 0.0)) < 2.0:
                processes.append(process)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)


def wait_until_stopped(home: Home, seconds: float) -> bool:
    """Whether the supervisor let go of its home within so many seconds."""
    deadline = time.monotonic() + seconds
    while is_running(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _write(home: Home, report: Report, *, durable: bool = False) -> None:
    write_private(_report_file(home), msgspec.json.encode(report), durable=durable)


def _report_file(home: Home) -> Path:
    return home.folder / "status.json"
