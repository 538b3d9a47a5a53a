"""What must not be in the repository, and where things must not pile up."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# An absolute path of somebody's machine, such as a home folder.
_MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work)/[\w.-]+")
# A registry mirror's address in what installs packages.
_ADDRESS = re.compile(r"https?://(?!127\.0\.0\.1|localhost)[^\s\"'<>)]+")
_LARGEST = 1024 * 1024


def tracked(*patterns: str) -> list[Path]:
    """Files in git; those not yet added count, ignored ones do not."""
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def texts(*patterns: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in tracked(*patterns):
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((str(path.relative_to(ROOT)), data.decode(errors="replace")))
    return found


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "misc"])
def test_no_drawer_for_everything(name: str) -> None:
    assert [path for path in tracked("*.py", "*.ts", "*.tsx") if path.stem.lower() == name] == []


def test_no_path_of_somebodys_machine() -> None:
    here = str(Path(__file__).relative_to(ROOT))
    hits = [
        f"{name}: {match.group()}"
        for name, text in texts()
        if name != here
        for match in _MACHINE_PATH.finditer(text)
    ]
    assert hits == []


def test_no_link_in_place_of_a_file() -> None:
    """A link names a path, which another machine may not have; ``ls-files`` follows none."""
    staged = subprocess.run(
        ("git", "ls-files", "--stage"), cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line for line in staged.splitlines() if line.startswith("120000")] == []


def test_what_installs_packages_names_no_address() -> None:
    hits = [
        f"{name}: {match.group()}"
        for name, text in texts("requirements/*.txt", "*.npmrc", "*pip.conf", "uv.toml")
        for match in _ADDRESS.finditer(text)
    ]
    assert hits == []
    locks = dict(texts("*package-lock.json"))
    assert [name for name, text in locks.items() if '"resolved": "http' in text] == []


def test_the_lock_with_addresses_is_not_kept() -> None:
    assert tracked("uv.lock") == [] or _ignored("uv.lock")


def test_no_file_is_huge() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > _LARGEST] == []


def _ignored(name: str) -> bool:
    check = subprocess.run(("git", "check-ignore", "-q", name), cwd=ROOT, check=False)
    return check.returncode == 0


# Written by programs, which do not end their last line.
_BY_PROGRAMS = {"web/openapi.json", "docs/api/openapi-released.json"}
_TABS = ("Makefile", ".go", "go.mod")


def test_text_is_kept_as_editorconfig_says() -> None:
    wrong: list[str] = []
    for name, text in texts():
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip(" \t\r") or (line.startswith("\t") and not name.endswith(_TABS)):
                wrong.append(f"{name}:{number}")
        if text and not text.endswith("\n") and name not in _BY_PROGRAMS:
            wrong.append(f"{name}: the last line does not end")
    assert wrong == []
