"""Lanes: files stay together, the stack's tests share one lane, and ``alone`` means alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

ROOT = Path(__file__).resolve().parents[3]

CONFTEST = """
import json, os, time
import pytest

pytest_plugins = ("tests.support.stack_end", "tests.support.lanes", "tests.support.timings")

@pytest.fixture(scope="session")
def cinelog():
    began = time.monotonic()
    yield
    note("the stack", began)

@pytest.fixture(autouse=True)
def noted(request):
    began = time.monotonic()
    yield
    note(request.node.name, began)

def note(name, began):
    entry = (name, os.environ["PYTEST_XDIST_WORKER"], began, time.monotonic())
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps(entry) + "\\n")
"""
# Each file has more tests than a lane is given ahead.
ORDINARY = "def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass\ndef test_4(): pass\n"
MIXED = """
import pytest

@pytest.mark.alone
def test_exact(): pass

def test_with_stack(cinelog): pass

def test_ordinary(): pass
"""
FAILING = """
import pytest

@pytest.mark.alone
def test_wrong(): assert False
"""


class Ran(Struct, array_like=True):
    """One test, the lane it had, and from when to when it ran."""

    name: str
    lane: str
    began: float
    ended: float


class Run(Struct):
    """What a run said, and the tests in the order in which they ended."""

    code: int
    said: str
    tests: list[Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\nmarkers = alone\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in "abcdef":
        renamed = ORDINARY.replace("test_", f"test_{name}")
        (tmp_path / f"test_{name}.py").write_text(renamed)
    (tmp_path / "test_g.py").write_text(MIXED)
    (tmp_path / "test_h.py").write_text(MIXED.replace("def test_", "def test_other_"))
    (tmp_path / "test_i.py").write_text(FAILING)
    notes = tmp_path / "notes"
    plugins = ("-p", "xdist", "-p", "no:cacheprovider")
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-n", "2", "-rf", *plugins, "--durations=1", "."),
        cwd=tmp_path,
        # Without the others, which import for seconds in each of the three processes.
        env={"NOTES": str(notes), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    tests = [Ran(*json.loads(line)) for line in notes.read_text().splitlines()]
    return Run(done.returncode, done.stdout, tests)


def test_lanes(run: Run) -> None:
    (stack,) = (ran for ran in run.tests if ran.name == "the stack")
    run.tests.remove(stack)
    assert len(run.tests) == 31, run.said
    lanes = {ran.name: ran.lane for ran in run.tests}

    for name in "abcdef":
        assert len({lanes[f"test_{name}{number}"] for number in range(1, 5)}) == 1
    assert lanes["test_with_stack"] == lanes["test_other_with_stack"] == stack.lane
    after = [ran for ran in run.tests if ran.lane == stack.lane and ran.began > stack.began]
    assert [ran.name for ran in after if ran.began < stack.ended] == [
        "test_with_stack",
        "test_other_with_stack",
    ]
    assert len(after) > 2
    assert len(set(lanes.values())) == 2

    alone = {"test_exact", "test_other_exact", "test_wrong"}
    others_end = max(ran.ended for ran in run.tests if ran.name not in alone)
    assert others_end < min(ran.began for ran in run.tests if ran.name in alone)
    assert len({lanes[name] for name in alone}) == 1

    # A failure of the last ones counts, and the summary is the last line.
    assert run.code == 1
    assert "FAILED test_i.py::test_wrong - " in run.said
    assert "1 failed, 30 passed" in run.said.splitlines()[-1]
    assert "where test time goes" in run.said
