"""Checks whose result depends on files alone: one that passed is not made again until one changes.

A type checker, or a linter that knows types, reads everything for each answer, which takes up to a
minute and a half of CPU time. Passes are kept in pytest's cache: a clone has none, and
``pytest --cache-clear`` forgets them. A check that failed is made again.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

_FOLDER = "passed-checks"


class PassedCheck:
    """Whether a command has passed with these files as they are now, names and contents."""

    def __init__(
        self, config: pytest.Config, command: Sequence[str], root: Path, files: Iterable[Path]
    ) -> None:
        cache = getattr(config, "cache", None)
        folder = cache.mkdir(_FOLDER) if cache is not None else None
        self._note = folder / fingerprint(command, root, files) if folder is not None else None

    def is_known(self) -> bool:
        """Whether it passed before."""
        return self._note is not None and self._note.exists()

    def note(self) -> None:
        """Remember that it has passed."""
        if self._note is not None:
            self._note.touch()


def fingerprint(command: Sequence[str], root: Path, files: Iterable[Path]) -> str:
    """Of the command, and of the names and contents of the files."""
    digest = hashlib.sha256("\0".join(command).encode())
    for file in sorted(set(files)):
        content = file.read_bytes()
        digest.update(f"\0{file.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def files_below(folder: Path, ending: str = "", *, leave_out: Sequence[str] = ()) -> list[Path]:
    """The files whose names end so, not below folders with the names that are left out."""
    found: list[Path] = []
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in leave_out]
        found += [Path(path) / name for name in names if name.endswith(ending)]
    return found
