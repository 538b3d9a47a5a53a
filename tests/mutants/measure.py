"""Which tests execute which lines, and whether they notice that a line has changed.

One pytest session collects the tests and runs each of them once, undisturbed, noting the lines
that it executes and its CPU time. Then every mutation is tried in a child process of its own,
which only runs the tests that execute the changed lines, the quickest first, and ends with the
first that fails. What is imported, collected and started by then is there already.
"""

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

import msgspec
import pytest

from tests.mutants.exchange import NotExchanged, exchange
from tests.mutants.mutation import Mutation

ROOT: Final = Path(__file__).resolve().parents[2]
# CPU seconds that a child may use beyond thrice what its tests took, undisturbed and traced.
_SPARE_SECONDS: Final = 10
# Seconds that a test may take beyond thrice what it took: other processes compute, too.
_SPARE_WAITING: Final = 15

Verdict = Literal["killed", "survived", "unreached", "not exchanged"]


class Outcome(msgspec.Struct, frozen=True):
    """What became of a mutation; ``by`` the test, or the limit, that killed it."""

    mutation: Mutation
    verdict: Verdict
    by: str = ""


class _Reach(msgspec.Struct):
    """The lines, by file, that a test executes, its CPU seconds and how long it took."""

    lines: dict[str, set[int]]
    seconds: float
    waited: float


class Measure:
    """A pytest plugin: its session tries mutations instead of only running tests."""

    def __init__(
        self,
        sources: dict[str, bytes],
        mutations: Sequence[Mutation],
        report: Callable[[Outcome], None],
    ) -> None:
        self._sources = sources
        self._mutations = mutations
        self._report = report
        self._reach: dict[str, _Reach] = {}
        self.failed: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Let property tests try the same examples each time, and stop at the first that fails."""
        # Pytest wants to import it first.
        import hypothesis

        hypothesis.settings.register_profile(
            "mutants",
            database=None,
            deadline=None,
            derandomize=True,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed:
            return None
        for place, item in enumerate(session.items):
            following = session.items[place + 1 : place + 2]
            with self._following(item):
                # The session as the next item: what belongs to all of it is kept.
                _run(item, following[0] if following else session)
        if not self.failed:
            for mutation in self._mutations:
                self._report(self._try(session, mutation))
        return True

    @contextlib.contextmanager
    def _following(self, item: pytest.Item) -> Iterator[None]:
        lines: dict[str, set[int]] = {str(ROOT / path): set() for path in self._sources}

        def local(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                lines[frame.f_code.co_filename].add(frame.f_lineno)
            return local

        def trace(frame: FrameType, _event: str, _: Any) -> Any:
            return local if frame.f_code.co_filename in lines else None

        begin, start = time.process_time(), time.monotonic()
        threading.settrace(trace)
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)  # pyright: ignore[reportArgumentType]
            by_path = {str(Path(name).relative_to(ROOT)): seen for name, seen in lines.items()}
            self._reach[item.nodeid] = _Reach(
                by_path, time.process_time() - begin, time.monotonic() - start
            )

    def _try(self, session: pytest.Session, mutation: Mutation) -> Outcome:
        items = [item for item in session.items if self._reaches(item, mutation)]
        if not items:
            return Outcome(mutation, "unreached")
        items.sort(key=lambda item: self._reach[item.nodeid].waited)
        seconds = 3 * sum(self._reach[item.nodeid].seconds for item in items) + _SPARE_SECONDS
        said = _in_child(lambda: self._verdict(session, items, mutation), seconds)
        if said in {"survived", "not exchanged"}:
            return Outcome(mutation, said)
        return Outcome(mutation, "killed", said)

    def _verdict(self, session: pytest.Session, items: list[pytest.Item], tried: Mutation) -> str:
        """In the child: "survived", "not exchanged", or what noticed the mutation."""
        source = self._sources[tried.path]
        # A test that waits for ever ends the child.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_SPARE_WAITING)
        try:
            exchange(tried.path, source, tried.applied(source))
        except NotExchanged:
            return "not exchanged"
        except Exception as error:
            return f"{type(error).__name__} when it is imported"
        for place, item in enumerate(items):
            following = items[place + 1 : place + 2]
            signal.alarm(_SPARE_WAITING + int(3 * self._reach[item.nodeid].waited))
            _run(item, following[0] if following else session)
            if self.failed:
                return self.failed[0]
        return "survived"

    def _reaches(self, item: pytest.Item, mutation: Mutation) -> bool:
        lines = self._reach[item.nodeid].lines[mutation.path]
        if not mutation.function:
            return bool(lines)
        first, last = mutation.lines
        return any(first <= line <= last for line in lines)


def _run(item: pytest.Item, following: pytest.Item | pytest.Session) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _in_child(work: Callable[[], str], seconds: float) -> str:
    """What ``work`` returns in a child process, or why that had to be ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_child(work, writer, int(seconds))
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said.decode() or "a limit of time"


def _be_child(work: Callable[[], str], writer: int, seconds: int) -> None:
    os.setpgid(0, 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        said = work()
    except BaseException as error:
        said = f"{type(error).__name__} outside a test"
    os.write(writer, said.encode())
    os._exit(0)
