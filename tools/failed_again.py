"""Runs the tests that failed once more, alone: ``python -m tools.failed_again``.

Thousands of tests on real parts share two processors, so that a test of a wait may fail because
its neighbours took the machine. A few that failed are run again with nothing beside them. Each
that passes then is listed and kept in ``dist/passed-alone.txt``: it has a fault, either its own or
one of the product that is rare, and is to be mended. The exit code is 1 if a test fails again, if
too many failed, or if something else than a test did.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# As many as chance explains; more have a reason.
MOST: Final = 5
FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")
PASSED_ALONE: Final = Path("dist/passed-alone.txt")


def failed(root: Path) -> list[str]:
    """Tests that failed in the last run, as pytest keeps them."""
    try:
        return sorted(json.loads((root / FAILED).read_text()))
    except FileNotFoundError:
        return []


def run(root: Path) -> int:
    """Run them again in ``root``; returns the exit code."""
    tests = failed(root)
    if not 0 < len(tests) <= MOST:
        return 1
    print(f"{len(tests)} failed: each is run again, alone.", flush=True)
    for test in tests:
        command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test)
        if subprocess.run(command, cwd=root, check=False).returncode:
            return 1
    (root / PASSED_ALONE).parent.mkdir(exist_ok=True)
    (root / PASSED_ALONE).write_text("".join(f"{test}\n" for test in tests))
    print("Passed only alone, to be mended:", *tests, sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run(ROOT))
