"""``python -m benchmarks.idle``: what the stack of ``make up`` costs at rest; see README.md."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.idle.usage import Used, total, used_by
from deploy.local import daemon, ports
from deploy.local.state import Home
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT

_MILLI: Final = 1000


def main() -> None:
    """Measure the stack in ``CINELOG_HOME`` if it is up, or else one of our own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle")
    parser.add_argument("--seconds", type=float, default=120.0, help="to measure")
    parser.add_argument("--settle", type=float, default=90.0, help="to wait before that")
    chosen = parser.parse_args()
    with _stack() as home:
        time.sleep(chosen.settle)
        print_table(measure(home, chosen.seconds))


def measure(home: Home, seconds: float) -> dict[str, Used]:
    """CPU seconds and waits in each second, processes and memory, of each part of the stack."""
    report = daemon.read_report(home)
    assert report is not None
    roots = {step.name: step.pid for step in report.steps if step.pid is not None}
    before, began = used_by(roots, report.pid), time.monotonic()
    time.sleep(seconds)
    after, took = used_by(roots, report.pid), time.monotonic() - began
    return {name: used.since(before[name], took) for name, used in after.items()}


def print_table(used: Mapping[str, Used]) -> None:
    """As README.md has it."""
    rows = sorted(used.items(), key=lambda row: -row[1].cpu)
    for name, each in [("PROCESS", None), *rows, ("all", total(list(used.values())))]:
        if each is None:
            _say(f"{name:<14}{'CPU ms/s':>10}{'waits/s':>10}{'PSS MiB':>10}{'processes':>11}")
        else:
            cpu = each.cpu * _MILLI
            _say(f"{name:<14}{cpu:>10.2f}{each.waits:>10}{each.pss:>10.1f}{each.processes:>11}")


@contextmanager
def _stack() -> Iterator[Home]:
    """A stack as ``make up`` starts it, which is forgotten afterwards unless it was up before."""
    given = Home(Path(os.environ.get("CINELOG_HOME") or ROOT / ".local"))
    if daemon.is_running(given):
        yield given
        return
    place = ROOT / "dist"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="idle-", dir=place) as folder:
        home = Home(Path(folder))
        # The database server's user passes through.
        home.folder.chmod(0o711)
        (home.folder / "packages").symlink_to(given.folder / "packages")
        port = ports.choose(["gateway"], {})["gateway"]
        environment = {**os.environ, "CINELOG_HOME": folder, "PORT": str(port)}
        try:
            _local("up", environment)
            yield home
        finally:
            _local("clean", environment)


def _local(command: str, environment: Mapping[str, str]) -> None:
    argv = (sys.executable, "-m", "deploy.local", command)
    subprocess.run(argv, cwd=ROOT, env=environment, check=True)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_on_signals()
    main()
