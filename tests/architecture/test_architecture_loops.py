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


# What makes a loop wait between its rounds, by the name that is called.
PAUSES = {"sleep", "timeout", "timeout_at", "wait", "wait_for", "wait_for_event", "leadership"}
LOOPS = (ast.While, ast.For, ast.AsyncFor)


def paused_loops(source: str) -> set[str]:
    """The functions that pause in a loop, and those that call themselves and pause."""
    tree = ast.parse(source)
    # `from asyncio import sleep as pause`
    pauses = PAUSES | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in PAUSES and alias.asname
    }
    found: set[str] = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        loops: list[ast.AST] = [node for node in ast.walk(function) if isinstance(node, LOOPS)]
        if {function.name, f"self.{function.name}"} & called(function):
            loops.append(function)
        if any(pauses & {name.rpartition(".")[2] for name in called(loop)} for loop in loops):
            found.add(function.name)
    return found


def called(tree: ast.AST) -> set[str]:
    """What is called, as it is written."""
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n        await asyncio.sleep(1)",
        "while 1:\n        await asyncio.sleep(1)",
        "while not stopping:\n        await asyncio.wait_for(stop.wait(), 1)",
        "while True:\n        await stop.wait()",
        "while True:\n        await asyncio.wait({task}, timeout=1)",
        "for _ in itertools.count():\n        time.sleep(1)",
        "async for _ in rounds():\n        await pause(1)",
        "await asyncio.sleep(1)\n    await f()",
    ],
)
def test_a_loop_of_its_own_is_found(body: str) -> None:
    source = f"from asyncio import sleep as pause\nasync def f():\n    {body}\n"
    assert paused_loops(source) == {"f"}


# Loops that end by themselves, and what ends them.
ENDING = {
    # A number of attempts.
    "services/catalog/read_model/rebuild.py:_swap_when_free",
    "services/ingest/handlers/direct.py:_recognise",
    "services/transcoder/worker/worker.py:_record",
    # The loss of the connection, in a session that `persist` repeats.
    "services/gateway/limits/redis_pipe.py:session",
    # A deadline.
    "services/ingest/handlers/upload_writers.py:acquire",
    # The end of a publisher's connection, which silence ends too.
    "services/live/rtmp/connection.py:_handle_all",
    "services/live/rtmp/connection.py:_linger",
    # The end of another request's copying, which silence ends too.
    "services/ingest/handlers/concatenation.py:outcome",
    # The end of a publisher's connection, or of one to a simulcast target.
    "services/live/simulcast/sender.py:_send",
    # The operator who follows the log.
    "services/operator/log_commands.py:_events",
    # A number of readings.
    "services/operator/audit_commands.py:lasting",
    "services/transcoder/coordinator/scrubbing.py:_judge",
    # The end of a program whose output is read.
    "services/transcoder/worker/task_audio.py:_parts",
    # The end of another worker's try at the task.
    "services/transcoder/worker/worker.py:_claim",
}


def test_no_service_has_a_loop_of_its_own() -> None:
    hits = {
        f"{path.relative_to(ROOT)}:{name}"
        for path in sorted(ROOT.glob("services/**/*.py"))
        for name in paused_loops(path.read_text())
    }
    assert hits == ENDING


# What elects a leader or starts itself again later, without a loop.
ELECTING = re.compile(r"\blead_once\b|\bpg_try_advisory_lock\b|\bcall_(?:later|at)\b|\bTimer\(")
ONCE = {
    # One rebuild at a time; a second one is refused.
    "services/catalog/read_model/rebuild.py",
    # One backup at a time; a second one is refused.
    "services/operator/backups/database.py",
    # Timers that run only while something waits for them.
    "services/gateway/limits/redis_pipe.py",
    "services/gateway/observability/access_log.py",
    # What is left over of a publisher's bytes; the end of a connection that does not close.
    "services/live/rtmp/connection.py",
    # Notices, once per part of an answer, that its reader does not take it.
    "services/gateway/request/exchange.py",
}


def test_no_service_leads_or_repeats_by_other_means() -> None:
    hits = {
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.glob("services/**/*.py"))
        if ELECTING.search(path.read_text())
    }
    assert hits == ONCE


def test_every_leader_has_a_lock_of_its_own() -> None:
    assert len({leader.lock for leader in Leader}) == len(Leader)
