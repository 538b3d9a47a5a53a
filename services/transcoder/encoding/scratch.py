"""Local disk for what ffmpeg writes: bounded, per worker, and cleaned even after kill -9.

Each worker has a folder with a lock file that it holds while it lives; a starting worker removes
the folders whose lock nobody holds.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_LOCK = "lock"


class ScratchFull(Exception):
    """There is not enough room for another task."""


class Scratch:
    """One worker's folder. ``reserve`` is what must be free on the disk to start a task, bytes."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve

    def used(self) -> int:
        """Bytes that tasks have here now."""
        total = 0
        for path in self._folder.rglob("*"):
            # Tasks come and go meanwhile.
            with suppress(FileNotFoundError):
                total += path.lstat().st_size if path.is_file() else 0
        return total

    def free(self) -> int:
        """Bytes that are free on the disk."""
        return shutil.disk_usage(self._folder).free

    @contextmanager
    def task(self) -> Iterator[Path]:
        """A new folder for one task, removed at the end. Raises ScratchFull."""
        if self.free() < self._reserve:
            raise ScratchFull(f"less than {self._reserve} bytes are free in {self._folder}")
        folder = self._folder / uuid4().hex
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_scratch(root: Path, worker: str, reserve: int) -> Iterator[Scratch]:
    """Sweep what dead workers left, then hold a folder of our own under ``root``."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = root / worker
    # One worker at a time, so that none sweeps a folder whose owner is about to lock it.
    with _locked(root / _LOCK):
        sweep(root)
        folder.mkdir(mode=0o700)
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield Scratch(folder, reserve)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sweep(root: Path) -> int:
    """Remove the folders of workers that no longer live; returns how many."""
    removed = 0
    for folder in root.iterdir():
        if not folder.is_dir() or folder.is_symlink():
            continue
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            # Half made or half removed when its worker died.
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
        finally:
            os.close(lock)
    return removed
