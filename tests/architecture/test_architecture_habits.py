"""What contributors' programs and forms read: hooks, editors' settings, owners, issue forms."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
KINDS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


def recipe(target: str) -> list[str]:
    """The commands of a make target."""
    text = (ROOT / "Makefile").read_text().replace("$(PYTHON)", ".venv/bin/python")
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert found is not None
    return [line.strip().removeprefix("@") for line in found.group(1).splitlines()]


def test_hooks_run_what_make_lint_runs() -> None:
    hooks = [
        hook
        for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repository["hooks"]
    ]
    entries = [
        shlex.split(hook["entry"])[2]
        if hook["entry"].startswith("sh -c ")
        # With file names, a hook checks those; make checks everything.
        else hook["entry"].replace(" --force-exclude", " .")
        for hook in hooks
    ]
    assert entries == recipe("lint")


def test_hooks_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}


def test_owners_are_named_for_files_that_exist() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*"
    assert [rule for rule in rules if len(rule) < 2] == []
    patterns = [rule[0] for rule in rules[1:]]
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern.strip("/")))] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one_that_can_be_shown(path: Path) -> None:
    form: dict[str, Any] = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        assert form["blank_issues_enabled"] is False
        return
    assert form.keys() >= {"name", "description", "body"}
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in form["body"]} <= KINDS
    assert len({part["id"] for part in fields}) == len(fields)
    assert all(part["attributes"]["label"] for part in fields)
    assert any(part.get("validations", {}).get("required") for part in fields)
    for part in fields:
        if part["type"] == "dropdown":
            assert len(set(part["attributes"]["options"])) == len(part["attributes"]["options"])
