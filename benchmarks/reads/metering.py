"""CPU of processes and of those that work for them, by the kernel's accounting."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU that those threads of a process have used that have not ended."""
    used = 0
    # psutil rounds to the kernel's ticks of 10 ms, and the process's own file is of one thread.
    for thread in Path("/proc").glob(f"{process.pid}/task/*"):
        with suppress(OSError):
            used += int((thread / "schedstat").read_text().split()[0])
    return used / 1e9


def others_of(*processes: psutil.Process) -> list[psutil.Process]:
    """The processes on this machine at the other ends of the connections of these.

    They are the sessions of PostgreSQL and, where it is asked, Valkey; the client is not.
    """
    known = {os.getpid(), *(each.pid for each in processes)}
    ends = {
        found.laddr.port
        for each in processes
        for found in each.net_connections("tcp")
        if found.raddr
    }
    others = {
        found.pid
        for found in psutil.net_connections("tcp")
        if found.raddr and found.raddr.port in ends and found.pid not in {None, *known}
    }
    found: list[psutil.Process] = []
    for pid in others:
        # One that has ended meanwhile works for nobody.
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def metered(*processes: psutil.Process) -> Callable[[], float]:
    """Tells the seconds that the processes and ``others_of`` them have used since this call."""
    before = {each: cpu_of(each) for each in (*processes, *others_of(*processes))}
    # A session that has ended was of a pool that had too many.
    return lambda: sum(max(0.0, cpu_of(each) - then) for each, then in before.items())
