"""Measures the memory of the programs that a test runs."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_KIBIBYTE: Final = 1 << 10
_PROC: Final = Path("/proc")
# A peak stays readable until the program ends, so only what grows at its very end is missed.
_SECONDS: Final = 0.02


class ChildMemory:
    """``peak_bytes``: the most that any program had in memory.

    It is read from ``/proc``: what ``wait4`` reports is never less than the peak of the process
    that started the program.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._own = os.readlink(_PROC / "self/exe")

    def look(self) -> None:
        """Read the peaks of all programs that run now."""
        for pid in _below(os.getpid()):
            self.peak_bytes = max(self.peak_bytes, self._peak(pid))

    def _peak(self, pid: int) -> int:
        """0 where the program has ended, or has not begun and still is a copy of this process."""
        try:
            if os.readlink(_PROC / str(pid) / "exe") == self._own:
                return 0
            status = (_PROC / str(pid) / "status").read_text()
        except OSError:
            return 0
        lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(lines[0].split()[1]) * _KIBIBYTE if lines else 0


@contextmanager
def child_memory() -> Iterator[ChildMemory]:
    """Measure the programs that run while entered."""
    found, ended = ChildMemory(), threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS):
            found.look()

    watcher = threading.Thread(target=watch, name="child memory")
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def _below(pid: int) -> Iterator[int]:
    """Every process that ``pid`` or one below it has started."""
    for each in _children(pid):
        yield each
        yield from _below(each)


def _children(pid: int) -> list[int]:
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
