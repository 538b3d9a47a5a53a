"""Dashboards and alerts ask only for what the services really show, and say what they show."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.observability.promql import metrics_of
from tests.support.stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "cinelog"
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
ALERTS = sorted((CHART / "alerts").glob("*.yaml"))
RABBITMQ = set((Path(__file__).parent / "rabbitmq_metrics.txt").read_text().split())
_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
    "info": ("_info",),
    "unknown": ("",),
}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def read(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in ALERTS
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


@pytest.fixture(scope="module")
def emitted(cinelog: RunningStack) -> set[str]:
    """Every sample name that a process of Cinelog shows, with or without samples so far."""
    ports = cinelog.stack.ports
    found: set[str] = set()
    own = {"gateway": "gateway_metrics"}
    processes = ("gateway", "auth", "ingest", "catalog", "planner", "projector", "live", "relay")
    for process in (*processes, "reconciler", "worker-1"):
        answer = httpx.get(
            f"http://127.0.0.1:{ports[own.get(process, process)]}/metrics",
            headers={"accept": "application/openmetrics-text; version=1.0.0"},
            trust_env=False,
            timeout=30,
        )
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        for family in text_string_to_metric_families(answer.text):
            found |= {family.name + suffix for suffix in _SUFFIXES[family.type]}
    return found


def test_there_are_six_of_them() -> None:
    assert [path.stem for path in DASHBOARDS] == [
        "broker",
        "event-log",
        "ingest-encode",
        "live",
        "overview",
        "playback",
    ]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows(path: Path) -> None:
    board = read(path)
    assert board["uid"].startswith("cinelog-")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_lie_beside_each_other(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in read(path)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_is_one_that_is_emitted(path: Path, emitted: set[str]) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for panel in panels(read(path)):
        for target in panel["targets"]:
            unknown = metrics_of(target["expr"]) - emitted - RABBITMQ - recorded
            assert not unknown, f"{panel['title']}: {unknown}"


def test_every_metric_of_a_rule_is_one_that_is_emitted(emitted: set[str]) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        unknown = metrics_of(rule["expr"]) - emitted - RABBITMQ - recorded
        assert not unknown, f"{rule.get('alert') or rule['record']}: {unknown}"


def test_what_operators_need_is_shown_somewhere(emitted: set[str]) -> None:
    shown = {
        name
        for path in DASHBOARDS
        for panel in panels(read(path))
        for target in panel["targets"]
        for name in metrics_of(target["expr"])
    }
    # Whatever the project counts is there to be looked at.
    own = {name for name in emitted if name.startswith(("cinelog_", "gateway_"))}
    hidden = {name for name in own if _stem(name) not in {_stem(other) for other in shown}}
    # These two speak through an alert.
    assert hidden <= {"gateway_rate_limit_redis_losses_total", "gateway_rate_limit_redis_up"}


def _stem(name: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", name)
