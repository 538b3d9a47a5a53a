"""Files that are whole after a power loss: written aside, synced, renamed.

Only the standard library: this also runs before anything is installed.
"""

import contextlib
import os
from pathlib import Path


def write_private(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file in one step; only its owner can read it.

    It is on the disk at the return, unless not ``durable``: then a power loss may leave an empty
    file, or the one before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            if durable:
                out.flush()
                os.fsync(out.fileno())
        partial.replace(path)
    except OSError:
        # A full disk; on one that is gone, nothing can be removed either.
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def remove_partial(folder: Path) -> None:
    """Remove what processes that died while they wrote have left, secrets among it."""
    for partial in folder.glob("*.partial"):
        if partial.is_file():
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put on the disk which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
