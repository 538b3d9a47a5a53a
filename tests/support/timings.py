"""Where test time goes: seconds and CPU seconds of lanes and folders, and the costliest tests.

A pytest plugin. The table is printed when ``--durations`` asks for the slowest tests. CPU seconds
are those of the test's process, of the children that it has reaped and of the forked services
that it has waited for; servers that outlive a test are not in them.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator

import pytest
from msgspec import Struct

_CPU = "cpu_seconds"
_WORTH_A_LINE = 2.0


class _Total(Struct):
    """Sums over the phases of some tests."""

    tests: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


class Timings:
    """Sums up the reports of a run, in the process that prints the summary."""

    def __init__(self) -> None:
        self._tests: defaultdict[str, _Total] = defaultdict(_Total)
        self._lanes: defaultdict[str, _Total] = defaultdict(_Total)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        cpu = sum(spent for name, spent in report.user_properties if name == _CPU + report.when)
        for total in (
            self._tests[report.nodeid],
            self._lanes[getattr(report, "worker_id", "main")],
        ):
            total.tests += report.when == "call"
            total.seconds += report.duration
            total.cpu += cpu

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        if terminalreporter.config.getoption("durations") is None or not self._tests:
            return
        terminalreporter.section("where test time goes")
        folders: defaultdict[str, _Total] = defaultdict(_Total)
        for nodeid, spent in self._tests.items():
            total = folders[os.path.dirname(nodeid.partition("::")[0])]
            total.tests += 1
            total.seconds += spent.seconds
            total.cpu += spent.cpu
        terminalreporter.write_line("  seconds  CPU seconds  tests")
        for name, total in (*sorted(self._lanes.items()), *_longest(folders)):
            terminalreporter.write_line(
                f"{total.seconds:9.1f} {total.cpu:12.1f} {total.tests:6}  {name}"
            )
        waits = {name: total.seconds - total.cpu for name, total in self._tests.items()}
        _write_longest(terminalreporter, "seconds spent waiting", waits)
        used = {name: total.cpu for name, total in self._tests.items()}
        _write_longest(terminalreporter, "CPU seconds", used)


def _write_longest(
    reporter: pytest.TerminalReporter, title: str, seconds: dict[str, float]
) -> None:
    reporter.write_line(f"  {title}, the longest ten")
    for name in sorted(seconds, key=lambda name: -seconds[name])[:10]:
        if seconds[name] >= _WORTH_A_LINE:
            reporter.write_line(f"{seconds[name]:9.1f}  {name}")


def _longest(totals: dict[str, _Total]) -> list[tuple[str, _Total]]:
    return sorted(totals.items(), key=lambda entry: -entry[1].seconds)


def _measured(item: pytest.Item, phase: str) -> Iterator[None]:
    before = _cpu_seconds()
    try:
        return (yield)
    finally:
        item.user_properties.append((_CPU + phase, _cpu_seconds() - before))


def _cpu_seconds() -> float:
    forked = sys.modules.get("tests.support.forked")
    return sum(os.times()[:4]) + (forked.used_cpu.seconds if forked else 0.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note the CPU time of the fixtures."""
    return (yield from _measured(item, "setup"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note the CPU time of the test itself."""
    return (yield from _measured(item, "call"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Note the CPU time of taking down."""
    return (yield from _measured(item, "teardown"))


def pytest_configure(config: pytest.Config) -> None:
    """Sum up where the reports arrive: not in a lane's worker."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Timings())
