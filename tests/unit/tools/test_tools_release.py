"""What keeps a commit from being released."""

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools import versions
from tools.openapi_diff import CURRENT, RELEASED
from tools.release import ROOT, Facts, gather, problems


def document(version: str, *paths: str) -> dict[str, Any]:
    return {
        "info": {"title": "Cinelog", "version": version},
        "paths": {path: {"get": {"responses": {}}} for path in paths},
    }


GOOD = Facts(
    uncommitted=[],
    tags=["v0.1.0"],
    stated={"pyproject.toml:3": "0.2.0", "CHANGELOG.md, newest release": "0.2.0"},
    released_document=document("0.1.0", "/a"),
    committed_document=document("0.2.0", "/a", "/b"),
    current_document=document("0.2.0", "/a", "/b"),
    section="- **More.**",
    unreleased="",
    upgrading="## 0.2.0\n\nNothing to do.\n",
)


def changed(**fields: Any) -> Facts:
    return msgspec.structs.replace(GOOD, **fields)


def test_a_good_release_has_no_problem() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"uncommitted": ["README.md"]}, "not committed: README.md"),
        ({"tags": ["v0.2.0"]}, "the tag v0.2.0 exists"),
        ({"stated": {"pyproject.toml:3": "0.3.0"}}, "pyproject.toml:3 states 0.3.0"),
        ({"stated": {"CHANGELOG.md": ""}}, "CHANGELOG.md states nothing"),
        ({"released_document": document("0.2.0", "/a")}, "0.2.0 is released already"),
        ({"section": ""}, "CHANGELOG.md has nothing for 0.2.0"),
        ({"unreleased": "- **Later.**"}, "unreleased"),
        ({"upgrading": "## 0.1.0\n"}, "UPGRADING.md has no section"),
        ({"committed_document": document("0.2.0", "/a")}, "make openapi"),
    ],
)
def test_each_problem_is_named(fields: dict[str, Any], says: str) -> None:
    found = problems(changed(**fields))
    assert len(found) == 1, found
    assert says in found[0]


@pytest.mark.parametrize(
    ("last", "version", "section", "says"),
    [
        ("0.1.0", "0.2.0", "- **Breaking:** /b is gone.", []),
        ("0.1.0", "0.1.1", "- **Breaking:** /b is gone.", ["new minor version"]),
        ("1.1.0", "1.2.0", "- **Breaking:** /b is gone.", ["new major version"]),
        ("1.1.0", "2.0.0", "- **Breaking:** /b is gone.", []),
        ("0.1.0", "0.2.0", "- **More.**", ["CHANGELOG.md has no"]),
    ],
)
def test_what_breaks_is_announced_and_gets_a_new_number(
    last: str, version: str, section: str, says: list[str]
) -> None:
    current = document(version, "/a")
    facts = changed(
        tags=[],
        stated={},
        released_document=document(last, "/a", "/b"),
        committed_document=current,
        current_document=current,
        section=section,
        upgrading=f"## {version}\n",
    )
    found = problems(facts)
    assert len(found) == len(says), found
    for problem, part in zip(found, says, strict=True):
        assert part in problem
        assert "GET /b: the operation was removed" in problem


def test_the_facts_are_read_from_a_checkout(tmp_path: Path) -> None:
    upgrading = ROOT / "deploy/helm/cinelog/UPGRADING.md"
    files = {ROOT / place.file for place in versions.PLACES}
    for path in {*files, RELEASED, CURRENT, upgrading, ROOT / versions.CHANGELOG}:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    changelog = tmp_path / versions.CHANGELOG
    old = changelog.read_text()
    changelog.write_text(old.replace(versions.UNRELEASED, f"{versions.UNRELEASED}\n- New.\n", 1))
    versions.write("7.8.9", tmp_path)
    current = msgspec.json.decode((tmp_path / CURRENT.relative_to(ROOT)).read_bytes())
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "All"), ("tag", "v7.8.8")):
        subprocess.run((*git, *command), cwd=tmp_path, check=True)
    (tmp_path / "stray").touch()

    facts = gather(tmp_path, copy.deepcopy(current))

    assert facts.uncommitted == ["stray"]
    assert facts.tags == ["v7.8.8"]
    assert facts.section.startswith("- New.")
    assert facts.unreleased == ""
    assert set(facts.stated.values()) == {"7.8.9"}
    assert [problem for problem in problems(facts) if "UPGRADING" not in problem] == [
        "not committed: stray"
    ]
