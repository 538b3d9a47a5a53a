"""The import rules of pyproject.toml, and that they bite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
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
            "services/transcoder/mp4/boxes.py",
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
    ],
)
def test_a_broken_rule_is_found(copy: Path, file: str, line: str, rule: str) -> None:
    path = copy / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")

    result = lint_imports(copy)

    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert result.returncode != 0
    assert any(rule in text for text in broken), result.stdout
