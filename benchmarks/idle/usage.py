"""What processes have used so far, as the kernel counts it."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil

_MIB: Final = 1 << 20
_SWITCHES: Final = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


class Used(msgspec.Struct, frozen=True):
    """Of a process and those that it has started.

    ``cpu``: seconds, of ended ones, too. ``waits``: how often its threads went to sleep.
    ``pss``: MiB, a shared page divided among those that share it.
    """

    processes: int = 0
    cpu: float = 0.0
    waits: int = 0
    pss: float = 0.0

    def __add__(self, other: "Used") -> "Used":
        return Used(
            self.processes + other.processes,
            self.cpu + other.cpu,
            self.waits + other.waits,
            self.pss + other.pss,
        )

    def since(self, earlier: "Used", seconds: float) -> "Used":
        """CPU seconds and waits of each second since then; processes and memory as they are."""
        return Used(
            self.processes,
            (self.cpu - earlier.cpu) / seconds,
            round((self.waits - earlier.waits) / seconds),
            self.pss,
        )


def used_by(roots: Mapping[str, int], supervisor: int) -> dict[str, Used]:
    """What each named process has used; ``supervisor``: the one that has started them all.

    What belongs to no named one is the supervisor's.
    """
    owners = {pid: name for name, pid in roots.items()}
    found = {name: Used() for name in (*roots, "supervisor")}

    def visit(process: psutil.Process, owner: str) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            owner = owners.get(process.pid, owner)
            for child in process.children():
                visit(child, owner)
            found[owner] += _of(process)

    visit(psutil.Process(supervisor), "supervisor")
    return found


def total(used: Sequence[Used]) -> Used:
    """Of all of them together."""
    return sum(used, Used())


def _of(process: psutil.Process) -> Used:
    times = process.cpu_times()
    cpu = times.user + times.system + times.children_user + times.children_system
    return Used(1, cpu, _waits(process.pid), process.memory_full_info().pss / _MIB)


def _waits(pid: int) -> int:
    waits = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            waits += int(_SWITCHES.findall((thread / "status").read_text())[0])
    return waits
