"""``python -m deploy.local up|down|status|logs|clean|demo|cli``; what make calls."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local import commands, daemon
from deploy.local.database import ROOT
from deploy.local.state import Home, StateDamaged


def main() -> int:
    """Run one command; returns its exit code."""
    home = Home(Path(os.environ.get("CINELOG_HOME") or ROOT / ".local"))
    name, *rest = sys.argv[1:] or [""]
    try:
        port, workers = _number("PORT", 8080, 1, 65535), _number("WORKERS", 2, 1, 64)
    except ValueError as error:
        return _usage(str(error))
    table: dict[str, Callable[[], int]] = {
        "up": lambda: commands.up(home, port, workers),
        "supervise": lambda: daemon.serve(home, port, workers, home.folder / "packages"),
        "down": lambda: commands.down(home),
        "status": lambda: commands.status(home),
        "logs": lambda: commands.logs(home, rest),
        "clean": lambda: commands.clean(home),
        "demo": lambda: commands.demo(home),
        "cli": lambda: commands.cli(home, rest),
    }
    if name not in table:
        return _usage("")
    try:
        return table[name]()
    except StateDamaged as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader closed the pipe. The interpreter's last flush must not fail on it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _number(variable: str, default: int, lowest: int, highest: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise ValueError(f"{variable} must be a number from {lowest} to {highest}")
    return int(text)


def _usage(problem: str) -> int:
    sys.stderr.write(f"{problem or __doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
