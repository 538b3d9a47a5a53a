"""There is one way to lead and one way to repeat, and every leader is watched."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from shared.loops.leaders import Leader

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "helm" / "cinelog" / "alerts" / "operations.yaml"
RUNBOOK = ROOT / "docs" / "runbooks" / "no-leader.md"


def alert(name: str) -> dict[str, str]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return next(rule for group in groups for rule in group["rules"] if rule["alert"] == name)


def test_the_alert_covers_every_leader() -> None:
    matched = re.search(r'leader=~"([^"]+)"', alert("CinelogNoLeader")["expr"])
    assert matched is not None
    assert sorted(matched[1].split("|")) == sorted(Leader)


def test_the_runbook_tells_of_every_leader() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \|", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(Leader)


@pytest.mark.parametrize("leader", Leader)
def test_every_leader_leads_in_one_place(leader: Leader) -> None:
    used = [
        path
        for path in ROOT.glob("services/**/*.py")
        if f"Leader.{leader.name}" in path.read_text()
    ]
    assert len(used) == 1, leader


def loops_of_their_own(source: str) -> list[int]:
    """Lines of endless loops that pause, that is, which repeat something now and then."""
    found: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.While):
            continue
        if not (isinstance(node.test, ast.Constant) and node.test.value is True):
            continue
        calls = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        if calls & {"asyncio.sleep", "asyncio.timeout", "asyncio.wait", "leadership"}:
            found.append(node.lineno)
    return found


def test_a_loop_of_its_own_is_found() -> None:
    source = "async def f():\n    while True:\n        await g()\n        await asyncio.sleep(1)\n"
    assert loops_of_their_own(source) == [2]


# Loops that end by themselves: a command that follows the log until it is interrupted, and one
# that reads a program's output to its end.
ENDING = {"services/operator/log_commands.py", "services/transcoder/worker/task_audio.py"}


def test_no_service_has_a_loop_of_its_own() -> None:
    hits = {
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.glob("services/**/*.py"))
        if loops_of_their_own(path.read_text())
    }
    assert hits == ENDING
