"""One version, stated alike everywhere."""

import shutil
from pathlib import Path

import pytest

from shared.version import VERSION
from tools.versions import (
    CHANGELOG,
    PLACES,
    ROOT,
    WrongVersion,
    released,
    stated,
    unreleased,
    write,
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in {CHANGELOG, *(place.file for place in PLACES)}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    changelog = tmp_path / CHANGELOG
    text = changelog.read_text()
    changelog.write_text(text.replace("## Unreleased\n", "## Unreleased\n\n- **New** thing.\n"))
    return tmp_path


def test_every_place_states_the_same_version() -> None:
    assert dict.fromkeys(stated(), VERSION) == stated()


def test_a_new_version_is_written_everywhere(copy: Path) -> None:
    before = stated(copy)
    write("7.8.9", copy)
    assert stated(copy) == dict.fromkeys(before, "7.8.9")
    assert released(copy) == ["7.8.9", *released()]
    assert unreleased(copy) == ""
    assert "- **New** thing." in (copy / CHANGELOG).read_text().split("## 7.8.9", 1)[1]


def test_no_other_number_is_touched(copy: Path) -> None:
    write("7.8.9", copy)
    changed = (copy / "pyproject.toml").read_text()
    assert changed.replace("7.8.9", VERSION) == (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("version", ["1", "v7.8.9", "7.8.9rc1", VERSION, "0.0.1", ""])
def test_a_wrong_or_old_version_is_refused(copy: Path, version: str) -> None:
    with pytest.raises(WrongVersion):
        write(version, copy)
    assert stated(copy) == stated()


def test_a_release_without_a_changelog_is_refused(copy: Path) -> None:
    write("7.8.9", copy)
    with pytest.raises(WrongVersion, match="lists nothing"):
        write("7.9.0", copy)


def test_a_place_that_lost_its_version_is_named(copy: Path) -> None:
    (copy / "shared/version.py").write_text("VERSION = ...\n")
    with pytest.raises(WrongVersion, match=r"shared/version\.py"):
        stated(copy)
