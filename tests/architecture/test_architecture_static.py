"""Style, types, and the web client's own checks and tests."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.passed_checks import PassedCheck, files_below

# Slow on a busy machine, and nothing in them can hang on us.
pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


def run(*command: str, folder: Path = ROOT) -> None:
    # Node collects what is young in 16 MB by default: a sixth of a type checker's CPU time.
    plain = {**os.environ, "NO_COLOR": "1", "NODE_OPTIONS": "--max-semi-space-size=128"}
    result = subprocess.run(
        command, cwd=folder, env=plain, capture_output=True, text=True, check=False
    )
    if result.returncode:
        # As the tool printed it: an assertion would show it as one escaped line.
        pytest.fail(f"{' '.join(command)}\n{result.stdout}{result.stderr}", pytrace=False)


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")])
def test_python_style(arguments: tuple[str, ...]) -> None:
    run(str(TOOLS / "ruff"), *arguments, ".")


def run_unless_passed(
    config: pytest.Config, *command: str, folder: Path, files: list[Path]
) -> None:
    """Run it, unless it has passed with the same files and the same node."""
    node = _output("node", "--version")
    check = PassedCheck(config, (*command, node), ROOT, files)
    if check.is_known():
        return
    run(*command, folder=folder)
    check.note()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_python_types(pytestconfig: pytest.Config) -> None:
    settings = ROOT / "pyproject.toml"
    checked = tomllib.loads(settings.read_text())["tool"]["pyright"]["include"]
    code = [file for name in checked for file in files_below(ROOT / name, ".py")]
    # What is installed beside them, the type checker included, is what the last file pins.
    files = [*code, settings, ROOT / "requirements" / "dev.txt"]
    run_unless_passed(pytestconfig, str(TOOLS / "pyright"), folder=ROOT, files=files)


@pytest.mark.parametrize("script", ["lint", "typecheck"])
def test_web_clients_style_and_types(pytestconfig: pytest.Config, script: str) -> None:
    files = files_below(ROOT / "web", leave_out=("node_modules", "dist"))
    npm = (find_npm(), "run", "--silent", script)
    run_unless_passed(pytestconfig, *npm, folder=ROOT / "web", files=files)


def test_web_clients_own_tests() -> None:
    run(find_npm(), "run", "--silent", "test", folder=ROOT / "web")


def find_npm() -> str:
    npm = shutil.which("npm")
    assert npm is not None, "npm is missing: get Node 20 or newer"
    return npm
