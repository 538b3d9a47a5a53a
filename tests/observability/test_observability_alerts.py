"""Alerts fire where they should, each with a page that says what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.local.debian import prometheus_root
from tests.support.real_parts import packages

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "helm" / "cinelog" / "alerts"
TESTS = sorted((ROOT / "deploy" / "observability" / "rules-tests").glob("*.test.yaml"))
PROMTOOL = prometheus_root(packages()) / "usr" / "bin" / "promtool"


def promtool(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        (str(PROMTOOL), *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_rules_are_valid() -> None:
    said = promtool("check", "rules", "slo.yaml", "operations.yaml", folder=ALERTS)
    assert "SUCCESS" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.partition(".")[0])
def test_alerts_fire_where_they_should(path: Path, tmp_path: Path) -> None:
    for file in (path, *ALERTS.glob("*.yaml")):
        shutil.copy(file, tmp_path)
    promtool("test", "rules", path.name, folder=tmp_path)


def test_every_alert_is_tested_and_has_a_page() -> None:
    tested = "\n".join(path.read_text() for path in TESTS)
    for file in ALERTS.glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" not in rule:
                    continue
                name, annotations = rule["alert"], rule["annotations"]
                assert f'"{name}"' in tested, name
                assert rule["labels"]["severity"] in ("page", "ticket")
                assert annotations["summary"]
                assert annotations["description"]
                page = ROOT / annotations["runbook_url"]
                assert name in page.read_text(), page


def test_every_page_belongs_to_an_alert() -> None:
    named = "\n".join(file.read_text() for file in ALERTS.glob("*.yaml"))
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        text = page.read_text()
        assert f"docs/runbooks/{page.name}" in named
        assert "## Look" in text
        assert "## Do" in text
