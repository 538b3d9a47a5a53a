"""One process of the machine: how it is launched, and how all of it is ended."""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import BinaryIO, Protocol

import psutil

from deploy.local import unprivileged
from deploy.local.process import Process

_LARGEST_LOG = 10 * 1024 * 1024


class Running(Protocol):
    """A launched process: the part of ``asyncio.subprocess.Process`` that a supervisor needs."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: signal.Signals, /) -> None: ...


def open_log(process: Process, logs: Path) -> BinaryIO:
    """Its log, to append to."""
    return (logs / f"{process.name}.log").open("ab")


def put_long_logs_aside(logs: Path) -> None:
    """Keep the last long part of each log beside it, and begin it anew.

    Whoever writes it appends, and goes on at its new end. Lines of the moment between are lost.
    """
    for log in logs.glob("*.log"):
        with contextlib.suppress(OSError):
            if log.stat().st_size > _LARGEST_LOG:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)


async def launch(process: Process, logs: Path) -> Running:
    """Start it, its output appended to its log."""
    with open_log(process, logs) as output:
        return await asyncio.create_subprocess_exec(
            *_tied_to_us(process),
            cwd=process.folder,
            env=dict(process.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=process.user,
            group=unprivileged.group_of(process.user),
            extra_groups=unprivileged.groups_of(process.user),
        )


def kill_all_of_it(running: Running) -> None:
    """``kill -9`` a process and what it started, such as a worker's encoder.

    What a process started that has ended by itself is found by its group only.
    """
    # The pid of one that ended may be another program's by now.
    if running.returncode is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(running.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(running.pid, signal.SIGKILL)


def ending(code: int) -> str:
    """An exit code in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def put_aside(state: Path | None) -> Path | None:
    """Where the state lies now; None where there is none to do without."""
    if state is None or not state.exists():
        return None
    aside = state.with_name(f"{state.name}.unusable")
    if aside.is_dir():
        shutil.rmtree(aside)
    return state.replace(aside)


def _tied_to_us(process: Process) -> list[str]:
    """The command; the kernel sends it SIGTERM when the supervisor dies."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(process.argv)
    stop = process.stop_signal.name.removeprefix("SIG")
    return [setpriv, "--pdeathsig", stop, "--", *process.argv]
