"""Profiles one process of `make up`: ``python -m tools.profiling SERVICE [SECONDS]``.

py-spy samples it from outside, so it runs on as it is. The result is a file for
https://www.speedscope.app, which also opens it without an upload.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.local import daemon
from deploy.local.state import Home

ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAM: Final = ROOT / ".venv" / "py-spy" / "bin" / "py-spy"


class NotRunning(Exception):
    """There is nothing to profile; the message says what there is."""


def process_id(home: Home, service: str) -> int:
    """Of a process that `make status` lists. Raises NotRunning."""
    report = daemon.read_report(home) if daemon.is_running(home) else None
    if report is None:
        raise NotRunning("Cinelog is down; make up starts it")
    running = {step.name: step.pid for step in report.steps if step.pid}
    pid = running.get(service)
    if pid is None:
        raise NotRunning(f"no process is called {service!r}; there are: {', '.join(running)}")
    return pid


def command(pid: int, seconds: int, result: Path) -> tuple[str, ...]:
    """How py-spy is called: all threads, subprocesses left out, idle time included."""
    options = ("--format", "speedscope", "--idle", "--duration", str(seconds))
    return (str(PROGRAM), "record", "--pid", str(pid), *options, "--output", str(result))


def main(arguments: list[str]) -> int:
    """Record, and say where the result is; returns the exit code."""
    if len(arguments) not in (1, 2) or (not arguments[-1].isdigit() and len(arguments) == 2):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    service, seconds = arguments[0], int(arguments[1]) if len(arguments) == 2 else 30
    home = Home(Path(os.environ.get("CINELOG_HOME") or ROOT / ".local"))
    try:
        pid = process_id(home, service)
    except NotRunning as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1
    result = ROOT / "dist" / f"profile-{service}.speedscope.json"
    result.parent.mkdir(exist_ok=True)
    return subprocess.run(command(pid, seconds, result), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
