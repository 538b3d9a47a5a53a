"""Which checks a change leads to."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.changes import Plan, imported_by, plan
from tools.check import FAST, commands, differences

TESTS = {
    "tests/unit/auth/test_auth_domain.py": {"services.auth.domain"},
    "tests/unit/shared/test_errors.py": {"shared.errors", "tests.support.wait"},
    "tests/unit/catalog/test_search.py": {"services.catalog.queries.search"},
}


class Graph:
    """domain → handlers → main in auth, all of which use shared.errors; catalog stands alone."""

    downstream = {  # noqa: RUF012
        "shared.errors": {"services.auth.domain", "services.auth.handlers", "services.auth.main"},
        "services.auth.domain": {"services.auth.handlers", "services.auth.main"},
        "services.auth.handlers": {"services.auth.main"},
        "services.auth.main": set[str](),
        "services.auth": set[str](),
        "services.catalog.queries": set[str](),
        "services.catalog.queries.search": set[str](),
    }

    @property
    def modules(self) -> set[str]:
        return set(self.downstream)

    def find_downstream_modules(self, module: str) -> set[str]:
        return self.downstream[module]


def planned(*changed: str, gone: Iterable[str] = ()) -> Plan:
    return plan(changed, gone, Graph(), TESTS)


def test_types_and_tests_follow_imports() -> None:
    assert planned("services/auth/domain.py") == Plan(
        python=["services/auth/domain.py"],
        imports=True,
        types=["services/auth/domain.py", "services/auth/handlers.py", "services/auth/main.py"],
        tests=["tests/unit/auth/test_auth_domain.py"],
        web=False,
    )
    assert planned("shared/errors.py").tests == [
        "tests/unit/auth/test_auth_domain.py",
        "tests/unit/shared/test_errors.py",
    ]


def test_a_package_stands_for_its_modules() -> None:
    changed = planned("services/catalog/queries/__init__.py")
    assert changed.types == [
        "services/catalog/queries/__init__.py",
        "services/catalog/queries/search.py",
    ]
    assert changed.tests == ["tests/unit/catalog/test_search.py"]


def test_a_test_is_run_when_it_or_its_helper_changes() -> None:
    changed = planned("tests/unit/auth/test_auth_domain.py")
    assert changed.tests == ["tests/unit/auth/test_auth_domain.py"]
    assert changed.types == []
    assert planned("tests/support/wait.py").tests == ["tests/unit/shared/test_errors.py"]


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        ("pyproject.toml", ()),
        ("requirements/dev.txt", ()),
        ("tests/unit/http/conftest.py", ()),
        ("tests/contract/golden/events.json", ()),
        ("shared/errors.py", ("shared/mistakes.py",)),
    ],
)
def test_what_no_graph_describes_leads_to_everything(changed: str, gone: tuple[str, ...]) -> None:
    found = planned(changed, gone=gone)
    assert found.types is None
    assert found.tests is None
    assert found.imports
    assert set(FAST) <= set(commands(found)["tests"])


def test_text_and_the_web_client_need_no_types_of_python() -> None:
    changed = planned("docs/architecture.md", "web/src/main.tsx")
    assert changed == Plan(python=[], imports=False, types=[], tests=[], web=True)
    assert set(commands(changed)) == {
        "tests",
        "web client, lint",
        "web client, typecheck",
        "web client, test",
    }


def test_imports_of_tests_are_followed_through_their_helpers(tmp_path: Path) -> None:
    (tmp_path / "tests/support").mkdir(parents=True)
    (tmp_path / "tests/support/stage.py").write_text("import shared.errors\n")
    test = tmp_path / "tests/test_it.py"
    test.write_text("def test_it():\n    from tests.support.stage import stage\n")
    assert imported_by(test, tmp_path) >= {"tests.support.stage", "shared.errors"}


def test_committed_uncommitted_new_and_deleted_files_are_found(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(("git", *who, *arguments), cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for name in ("kept", "committed", "edited", "deleted"):
        (tmp_path / name).write_text("old\n")
    git("add", ".")
    git("commit", "-qm", "All")
    git("switch", "-qc", "change")
    (tmp_path / "committed").write_text("new\n")
    git("commit", "-qam", "One")
    (tmp_path / "edited").write_text("new\n")
    (tmp_path / "deleted").unlink()
    (tmp_path / "added").write_text("new\n")

    changed, gone = differences(tmp_path, "main")

    assert sorted(changed) == ["added", "committed", "edited"]
    assert gone == ["deleted"]
