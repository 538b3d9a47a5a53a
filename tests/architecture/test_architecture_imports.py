"""The import rules of pyproject.toml, and that they bite."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.application import use_cases
from importlinter.application.app_config import settings
from importlinter.configuration import configure

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

# A line added to a file, and the rule that it breaks.
MUTATIONS = [
    ("services/auth/domain.py", "import services.catalog.domain", "import each other"),
    ("shared/errors.py", "import services.auth.domain", "stand on shared"),
    ("shared/utils.py", "", "nothing is outside its layers"),
    ("shared/contracts/ids.py", "import shared.http", "nothing is outside its layers"),
    ("services/auth/domain.py", "import asyncpg", "no I/O"),
    ("services/auth/domain.py", "import services.auth.http", "Auth is layered"),
    ("services/auth/stray.py", "", "Auth is layered"),
    ("services/ingest/domain.py", "import services.ingest.tables", "Ingest is layered"),
    ("services/ingest/stray.py", "", "Ingest is layered"),
    (
        "services/transcoder/mp4/sample_index.py",
        "import services.transcoder.planning.plan",
        "Transcoder is layered",
    ),
    (
        "services/transcoder/worker/worker.py",
        "import services.transcoder.coordinator.publisher",
        "Transcoder is layered",
    ),
    (
        "services/transcoder/coordinator/publisher.py",
        "import services.transcoder.worker.context",
        "Transcoder is layered",
    ),
    ("services/transcoder/stray.py", "", "Transcoder is layered"),
    (
        "services/gateway/limits/redis_buckets.py",
        "import services.gateway.upstream.breaker",
        "Gateway is layered",
    ),
    ("services/gateway/stray.py", "", "Gateway is layered"),
    (
        "services/catalog/read_model/folding.py",
        "import services.catalog.queries.views",
        "Catalog is layered",
    ),
    ("services/catalog/stray.py", "", "Catalog is layered"),
    ("services/live/domain/session.py", "import services.live.ports", "Live is layered"),
    ("services/live/domain/stream.py", "import asyncpg", "no I/O"),
    ("services/live/stray.py", "", "Live is layered"),
    ("services/operator/tools.py", "import services.operator.commands", "Operator is layered"),
    ("services/operator/stray.py", "", "Operator is layered"),
    ("services/relay/archiver.py", "import services.relay.main", "Relay is layered"),
    ("services/relay/stray.py", "", "Relay is layered"),
    (
        "shared/event_store/store.py",
        "import shared.event_store.postgres",
        "event store is layered",
    ),
    ("shared/event_store/stray.py", "", "event store is layered"),
    ("services/auth/http.py", "import shared.event_store.postgres", "Only main"),
]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        (str(program), "--no-cache"), cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("shared", "services"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def test_the_code_keeps_the_rules() -> None:
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout


class Prepared:
    """Gives import-linter a graph that is there already, instead of reading all files again."""

    def __init__(self, graph: grimp.ImportGraph) -> None:
        self._graph = graph

    def build(self, **_options: object) -> grimp.ImportGraph:
        return self._graph


@pytest.fixture(scope="module")
def broken_by() -> Iterator[Callable[[str, str], list[str]]]:
    """The rules that are broken where a line is added to a file."""
    configure()
    options = use_cases.read_user_options(str(ROOT / "pyproject.toml"))
    use_cases._register_contract_types(options)
    packages = options.session_options["root_packages"]
    whole = grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)

    def check(file: str, line: str) -> list[str]:
        graph = deepcopy(whole)
        module = file.removesuffix(".py").replace("/", ".")
        graph.add_module(module)
        for name in imported(line):
            assert name in graph.modules, "nothing of that name is imported anywhere"
            graph.add_import(importer=module, imported=name, line_number=1, line_contents=line)
        settings.configure(GRAPH_BUILDER=Prepared(graph))
        report = use_cases.create_report(options, cache_dir=None)
        return [
            contract.name for contract, found in report.get_contracts_and_checks() if not found.kept
        ]

    yield check
    configure()


@pytest.mark.parametrize(("file", "line", "rule"), MUTATIONS)
def test_a_broken_rule_is_found(
    broken_by: Callable[[str, str], list[str]], file: str, line: str, rule: str
) -> None:
    assert any(rule in name for name in broken_by(file, line))


def test_nothing_is_broken_by_what_is_allowed(
    broken_by: Callable[[str, str], list[str]],
) -> None:
    assert broken_by("services/auth/http.py", "import shared.http.app") == []


@pytest.mark.parametrize(("file", "line", "rule"), [MUTATIONS[0], MUTATIONS[2]])
def test_the_program_finds_a_broken_rule_in_the_files(
    copy: Path, file: str, line: str, rule: str
) -> None:
    path = copy / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")

    result = lint_imports(copy)

    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert result.returncode != 0
    assert any(rule in text for text in broken), result.stdout


def test_every_package_has_a_contract_and_mutations_of_it() -> None:
    layered = {
        container: contract["name"]
        for contract in CONTRACTS
        if contract["type"] == "layers" and contract.get("exhaustive")
        for container in contract["containers"]
    }
    services = {f"services.{path.name}" for path in (ROOT / "services").iterdir() if path.is_dir()}
    assert set(layered) == {name for name in services if "__" not in name} | {
        "shared",
        "shared.event_store",
    }
    for name in layered.values():
        lines = [bool(line) for _, line, rule in MUTATIONS if rule in name]
        assert True in lines, f"no forbidden import: {name}"
        assert False in lines, f"no module outside the layers: {name}"
    unbroken = [c["name"] for c in CONTRACTS if not any(m[2] in c["name"] for m in MUTATIONS)]
    assert unbroken == []


def outside_of_packages(root: Path) -> list[str]:
    """Modules that the contracts do not see, because a folder above them has no __init__.py."""
    return [
        str(path.relative_to(root))
        for top in ("services", "shared")
        for path in sorted((root / top).rglob("*.py"))
        if path.parent.name != "migrations" and not (path.parent / "__init__.py").exists()
    ]


def test_every_module_is_in_a_package() -> None:
    assert outside_of_packages(ROOT) == []


def test_a_module_outside_of_packages_is_found(copy: Path) -> None:
    (copy / "services/gateway/room").mkdir()
    (copy / "services/gateway/room/stray.py").write_text("import services.catalog.domain\n")
    assert lint_imports(copy).returncode == 0
    assert outside_of_packages(copy) == ["services/gateway/room/stray.py"]


def imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def test_migrations_import_nothing_of_the_product() -> None:
    """They are no packages, and must do the same for ever."""
    files = [*ROOT.glob("services/*/migrations/*.py"), *ROOT.glob("shared/*/migrations/*.py")]
    assert files
    hits = {
        str(path.relative_to(ROOT)): names
        for path in files
        if (
            names := {
                name
                for name in imported(path.read_text())
                if name.startswith((".", "services", "shared"))
            }
        )
    }
    assert hits == {}


# What a process of the version before may still read or write.
_TAKING = {"drop_column", "drop_table", "rename_table", "alter_column"}
_TAKING_SQL = re.compile(
    r"\b(drop (column|table)|rename (column|to)|set not null)\b", re.IGNORECASE
)


def breaks_older_processes(source: str) -> list[str]:
    """What a migration takes away; also a column that an older process would have to fill."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and _TAKING_SQL.search(str(node.value)):
            found.append(str(node.value))
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in _TAKING:
            found.append(ast.unparse(node))
        if node.func.attr == "add_column":
            given = {
                keyword.arg: ast.unparse(keyword.value)
                for call in ast.walk(node)
                if isinstance(call, ast.Call)
                for keyword in call.keywords
            }
            if given.get("nullable") == "False" and "server_default" not in given:
                found.append(ast.unparse(node))
    return found


def test_migrations_take_nothing_away_from_older_processes() -> None:
    files = [*ROOT.glob("services/*/migrations/*.py"), *ROOT.glob("shared/*/migrations/*.py")]
    found = {
        str(path.relative_to(ROOT)): hits
        for path in files
        if (hits := breaks_older_processes(path.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        'op.drop_column("videos", "title")',
        'op.alter_column("videos", "title", nullable=False)',
        'op.execute("alter table videos rename column title to name")',
        'op.add_column("videos", sa.Column("language", sa.Text(), nullable=False))',
    ],
)
def test_a_migration_that_breaks_older_processes_is_found(line: str) -> None:
    assert breaks_older_processes(line) != []


# It imports the tables and migrations of the packages that its caller names.
BY_NAME = {"shared/database/migrations.py"}


def test_nothing_is_imported_by_a_name_that_the_contracts_do_not_see() -> None:
    hits = {
        str(path.relative_to(ROOT))
        for top in ("services", "shared")
        for path in (ROOT / top).rglob("*.py")
        if any(word in path.read_text() for word in ("import_module", "__import__", "resolve_name"))
    }
    assert hits == BY_NAME
