"""Fetches what checks the chart beside Python's packages: ``python -m deploy.helm.checkers``.

checkov gets an environment of its own, as its pins fit nothing else's; the schemas of custom
resources come from npm. Whatever is there and unchanged is skipped.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKOV = ROOT / ".venv" / "checkov"
SCHEMAS = Path(__file__).with_name("checks")


class Missing(Exception):
    """The message says what could not be fetched."""


def main() -> None:
    """Fetch both."""
    try:
        _unless_there(
            ROOT / "requirements" / "tools" / "checkov.txt", CHECKOV / ".done", _install_checkov
        )
        _unless_there(
            SCHEMAS / "package-lock.json", SCHEMAS / "node_modules" / ".done", _install_schemas
        )
    except Missing as missing:
        sys.exit(f"✗ {missing}")


def _unless_there(pins: Path, stamp: Path, install: Callable[[Path], None]) -> None:
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        install(pins)
        stamp.write_text(wanted)


def _install_checkov(pins: Path) -> None:
    _run(sys.executable, "-m", "venv", str(CHECKOV))
    python = str(CHECKOV / "bin" / "python")
    install = ("install", "--quiet", "--require-hashes", "--no-deps", "-r", str(pins))
    uv = Path(sys.executable).with_name("uv")
    try:
        _run(str(uv), "pip", *install, "--python", python)
    except Missing:
        # uv does not read pip's configuration, which may name the only registry in reach.
        _run(python, "-m", "pip", *install)


def _install_schemas(_pins: Path) -> None:
    _run(
        *("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"),
        *("--prefix", os.fspath(SCHEMAS)),
    )


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise Missing(f"{' '.join(command[:4])} … failed:\n{ended.stderr[-2000:]}")


if __name__ == "__main__":
    main()
