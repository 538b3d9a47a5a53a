"""Processes of an earlier version beside today's, on today's schema, and back to today's."""

import contextlib
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.chaos.faults import SERVICES
from tests.chaos.scene import Broken, Fault, Scene
from tests.support.real_parts import ROOT

# A commit of this repository that has all processes of today. Since then five events and eight
# migrations were added, so that the earlier version meets what only today's writes.
OLDER: Final = "276fa01ee3eb959426c079bfaba406ad3ca37e2d"
_SECONDS: Final = (8.0, 20.0)
# Longer than anything that others may take away meanwhile.
_READY_SECONDS: Final = 150.0


def has_older() -> bool:
    """Whether the history of this clone goes back that far."""
    return shutil.which("git") is not None and not _git("cat-file", "-e", f"{OLDER}^{{commit}}")


@contextmanager
def older_code(
    folder: Path, commit: str = OLDER, paths: Sequence[str] = ("services", "shared")
) -> Iterator[Path]:
    """The packages of the earlier version, below ``folder``."""
    target = folder / "older"
    target.mkdir()
    archive = folder / "older.tar"
    if code := _git("archive", f"--output={archive}", commit, *paths):
        raise RuntimeError(f"git archive {commit} ended with {code}")
    shutil.unpack_archive(archive, target)
    archive.unlink()
    yield target


def older(name: str) -> Fault:
    """A process is replaced by one of the earlier version for a while."""

    def fault(scene: Scene, chance: random.Random) -> str | None:
        seconds = chance.uniform(*_SECONDS)
        try:
            _replace(scene, name, chance, older=True)
            time.sleep(seconds)
        finally:
            _back(scene, (name,), chance)
        return f"{name} was of the earlier version for {seconds:.0f} s"

    return fault


def roll_back(scene: Scene, chance: random.Random) -> str | None:
    """All processes are replaced by those of the earlier version, one by one, and then back."""
    seconds = chance.uniform(*_SECONDS)
    try:
        for name in chance.sample(SERVICES, len(SERVICES)):
            _replace(scene, name, chance, older=True)
        time.sleep(seconds)
    finally:
        _back(scene, chance.sample(SERVICES, len(SERVICES)), chance)
    return f"rolled back, and forward again after {seconds:.0f} s"


def _back(scene: Scene, names: Sequence[str], chance: random.Random) -> None:
    """Let them be of today's version again, all of them: an old one would stay for good."""
    broken: list[Broken] = []
    for name in names:
        try:
            _replace(scene, name, chance, older=False)
        except Broken as error:
            broken.append(error)
    if broken:
        raise Broken("; ".join(map(str, broken)))


def _replace(scene: Scene, name: str, chance: random.Random, *, older: bool) -> None:
    """End a process as a rolling update does, or abruptly; wait for the other version's."""
    stack = scene.stack
    assert scene.older is not None
    stack.run_code_in(name, scene.older if older else None)
    pid: int | None = None
    with contextlib.suppress(LookupError, ProcessLookupError):
        pid = stack.signal(name, chance.choice((signal.SIGTERM, signal.SIGKILL)))
    deadline = time.monotonic() + _READY_SECONDS
    while not stack.is_back(name, pid):
        if time.monotonic() > deadline:
            status = stack.status(name)
            raise Broken(f"{name}, older: {older}, is {status.state}: {status.reason}")
        time.sleep(0.2)


def _git(*arguments: str) -> int:
    return subprocess.run(
        ("git", *arguments), cwd=ROOT, capture_output=True, check=False
    ).returncode


FAULTS: Final[dict[str, Fault]] = {
    **{f"older {name}": older(name) for name in SERVICES},
    "roll back": roll_back,
}
