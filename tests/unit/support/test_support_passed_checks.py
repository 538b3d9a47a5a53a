"""A check is made again after every change that could change its result."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.passed_checks import PassedCheck, files_below, fingerprint

CHECK = ("a-checker", "--strict")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src" / "skipped").mkdir(parents=True)
    (tmp_path / "src" / "a.py").write_text("a")
    (tmp_path / "src" / "b.py").write_text("b")
    (tmp_path / "src" / "skipped" / "c.py").write_text("c")
    (tmp_path / "src" / "notes.txt").write_text("n")
    return tmp_path


def seen(folder: Path, command: tuple[str, ...] = CHECK) -> str:
    return fingerprint(command, folder, files_below(folder / "src", ".py", leave_out=("skipped",)))


def test_the_same_files_are_the_same_check(folder: Path) -> None:
    before = seen(folder)
    (folder / "src" / "notes.txt").write_text("other")
    (folder / "src" / "skipped" / "c.py").write_text("other")
    (folder / "src" / "a.py").touch()
    assert seen(folder) == before


def test_a_change_of_any_file_or_of_the_command_is_another_check(folder: Path) -> None:
    found = [seen(folder), seen(folder, ("a-checker",))]
    (folder / "src" / "b.py").write_text("B")
    found.append(seen(folder))
    (folder / "src" / "d.py").write_text("")
    found.append(seen(folder))
    (folder / "src" / "d.py").rename(folder / "src" / "e.py")
    found.append(seen(folder))
    (folder / "src" / "a.py").unlink()
    found.append(seen(folder))
    # What one file loses, the next one gets.
    (folder / "src" / "b.py").write_text("")
    (folder / "src" / "e.py").write_text("B")
    found.append(seen(folder))
    assert len(set(found)) == len(found)


class Cache:
    """Pytest's own, as far as it is used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mkdir(self, name: str) -> Path:
        made = self._folder / name
        made.mkdir(exist_ok=True)
        return made


def test_what_passed_is_known_in_the_next_run(folder: Path) -> None:
    config: Any = SimpleNamespace(cache=Cache(folder))

    def check() -> PassedCheck:
        return PassedCheck(config, CHECK, folder, files_below(folder / "src"))

    assert not check().is_known()
    check().note()
    assert check().is_known()
    (folder / "src" / "a.py").write_text("A")
    assert not check().is_known()


def test_without_pytests_cache_every_run_checks(folder: Path) -> None:
    config: Any = SimpleNamespace()
    check = PassedCheck(config, CHECK, folder, [])
    check.note()
    assert not check.is_known()
