"""Scratch folders on the local disk, one per worker, which are removed even after kill -9.

A worker holds the lock file in its folder while it lives; a starting worker removes the folders
whose lock is free.
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
    """The disk has not enough free space for another task."""


class Scratch:
    """One worker's folder. ``reserve``: the free bytes on the disk that starting a task needs."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve

    def used(self) -> int:
        """Bytes of all files in the folder."""
        total = 0
        for path in self._folder.rglob("*"):
            # Tasks may remove files at the same time.
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
    """Remove the folders of dead workers, then create and lock one for ``worker`` in ``root``."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = root / worker
    # One worker at a time: none may remove a folder that another has created but not locked yet.
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
    """Remove the folders of dead workers; returns how many."""
    removed = 0
    for folder in root.iterdir():
        if not folder.is_dir() or folder.is_symlink():
            continue
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            # Its worker died while it created or removed the folder.
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
