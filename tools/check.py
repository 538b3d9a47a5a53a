"""Checks what changed since ``main``: ``python -m tools.check [BASE]``, which is `make check`.

Committed and uncommitted changes count. Each check runs, whatever became of the one before; the
exit code is 1 if one failed. Tests that need parts are not run: that is `make test`. Nor are those
of the chart: that is `make chart`.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import grimp

from tools.changes import PACKAGES, Plan, imported_by, plan

ROOT: Final = Path(__file__).resolve().parents[1]

# What needs neither parts nor the chart's programs, beside tests/architecture.
FAST: Final = ("tests/unit", "tests/contract/test_golden_events.py")
# Of tests/architecture, what repeats the other checks.
_REPEATED: Final = ("test_architecture_imports.py", "test_architecture_static.py")


def differences(root: Path, base: str) -> tuple[list[str], list[str]]:
    """Files that were changed or added since ``base``, and those that were deleted."""
    since = _git(root, "merge-base", base, "HEAD")[0]
    fields = _git(root, "diff", "--name-status", "--no-renames", since)
    states = [tuple(field.split("\t", 1)) for field in fields]
    added = _git(root, "ls-files", "--others", "--exclude-standard")
    changed = [file for state, file in states if state != "D"]
    return [*changed, *added], [file for state, file in states if state == "D"]


def planned(root: Path, base: str) -> Plan:
    """The checks for what changed since ``base``."""
    changed, gone = differences(root, base)
    imports = grimp.build_graph(*PACKAGES, cache_dir=None)
    folders = (root / name for name in FAST if not name.endswith(".py"))
    files = sorted(file for folder in folders for file in folder.rglob("test_*.py"))
    files += [root / name for name in FAST if name.endswith(".py")]
    tests = {str(file.relative_to(root)): imported_by(file, root) for file in files}
    return plan(changed, gone, imports, tests)


def commands(todo: Plan) -> dict[str, tuple[str, ...]]:
    """What to run, by name."""
    python = sys.executable
    ruff = (python, "-m", "ruff")
    found: dict[str, tuple[str, ...]] = {}
    if todo.python:
        found["style"] = (*ruff, "check", "--force-exclude", *todo.python)
        found["format"] = (*ruff, "format", "--check", "--force-exclude", *todo.python)
    if todo.imports:
        found["import rules"] = (_program("lint-imports"), "--no-cache")
    tests = FAST if todo.tests is None else todo.tests
    ignored = (f"--ignore=tests/architecture/{name}" for name in _REPEATED)
    found["tests"] = (python, "-m", "pytest", "-q", *ignored, "tests/architecture", *tests)
    if todo.types is None or todo.types:
        found["types"] = (_program("pyright"), *(todo.types or ()))
    if todo.web:
        for script in ("lint", "typecheck", "test"):
            found[f"web client, {script}"] = ("npm", "run", "--silent", script)
    return found


def run(name: str, command: tuple[str, ...]) -> bool:
    """Run one check; its output is shown only if it fails."""
    began = time.monotonic()
    folder = ROOT / "web" if command[0] == "npm" else ROOT
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    mark = "✓" if done.returncode == 0 else "✗"
    sys.stdout.write(f"{mark} {name} ({time.monotonic() - began:.0f} s)\n")
    if done.returncode != 0:
        sys.stdout.write(done.stdout + done.stderr)
    sys.stdout.flush()
    return done.returncode == 0


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _git(root: Path, *arguments: str) -> list[str]:
    command = ("git", *arguments)
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main(arguments: list[str]) -> int:
    """Run the checks of a change; returns the exit code."""
    todo = planned(ROOT, arguments[0] if arguments else "main")
    results = [run(name, command) for name, command in commands(todo).items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
