"""A few tests that failed are run once more, alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.failed_again import MOST, PASSED_ALONE, failed, run

# Fails with a neighbour, or always.
TESTS = """
import os
def test_good(): pass
def test_crowded(): assert "CROWDED" not in os.environ
def test_broken(): assert "BROKEN" not in os.environ
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "test_it.py").write_text(TESTS)
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return tmp_path


def first_run(project: Path) -> None:
    command = (sys.executable, "-m", "pytest", "-q")
    subprocess.run(command, cwd=project, capture_output=True, check=False)


def test_what_passes_alone_is_listed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDED", "1")
    first_run(project)
    assert failed(project) == ["test_it.py::test_crowded"]
    monkeypatch.delenv("CROWDED")
    assert run(project) == 0
    assert (project / PASSED_ALONE).read_text() == "test_it.py::test_crowded\n"


def test_what_fails_again_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDED", "1")
    monkeypatch.setenv("BROKEN", "1")
    first_run(project)
    monkeypatch.delenv("CROWDED")
    assert run(project) == 1
    assert not (project / PASSED_ALONE).exists()


def test_many_failures_have_a_reason(project: Path) -> None:
    broken = "def test_it(n): assert n < 0"
    names = f"import pytest\n@pytest.mark.parametrize('n', range({MOST + 1}))\n{broken}\n"
    (project / "test_it.py").write_text(names)
    first_run(project)
    assert len(failed(project)) == MOST + 1
    assert run(project) == 1


def test_a_failure_without_a_test_stays_one(project: Path) -> None:
    assert run(project) == 1
