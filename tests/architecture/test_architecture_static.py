"""Style, types, and the web client's own checks and tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_python_types() -> None:
    run(str(TOOLS / "pyright"))


@pytest.mark.parametrize("script", ["lint", "typecheck", "test"])
def test_web_client(script: str) -> None:
    npm = shutil.which("npm")
    assert npm is not None, "npm is missing: get Node 20 or newer"
    run(npm, "run", "--silent", script, folder=ROOT / "web")
