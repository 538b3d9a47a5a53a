"""What can be run: long-lived processes, and tasks that must succeed before others start."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

Check = Callable[[], Awaitable[bool]]


class Process(Struct, frozen=True):
    """A long-lived process. It is up when ``ready`` says so; it is restarted when it ends, or when
    ``alive`` denies for too long."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    ready: Check
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    needs: frozenset[str] = frozenset()
    user: str | None = None
    """Run as this user; None means as the supervisor's user."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 15.0
    """Seconds between the stop signal and SIGKILL."""
    alive: Check | None = None
    """Whether it still works; None: as long as it runs."""
    misses: int = 4
    """How many times in a row it may fail to say so before it is killed and started again."""
    expendable: Path | None = None
    """State that may be lost: moved aside, once, if the process ends while it starts with it."""
    front: bool = False
    """Takes requests in for the others: stopped before all of them, though it waits for none."""


class Task(Struct, frozen=True):
    """A step that must end well before what needs it starts, such as migrations."""

    name: str
    run: Callable[[], Awaitable[None]]
    needs: frozenset[str] = frozenset()


Step = Process | Task


class PlanError(Exception):
    """The steps need something that is not there, or each other in a circle."""


def in_order(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps so that each comes after all it needs; raises PlanError if that cannot be."""
    by_name = {step.name: step for step in steps}
    if len(by_name) != len(steps):
        raise PlanError("two steps have the same name")
    ordered: dict[str, Step] = {}

    def place(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise PlanError(f"{' → '.join((*path, name))} is a circle")
        if name not in by_name:
            raise PlanError(f"{path[-1]} needs {name}, which does not exist")
        if name not in ordered:
            for need in sorted(by_name[name].needs):
                place(need, (*path, name))
            ordered[name] = by_name[name]

    for step in steps:
        place(step.name, ())
    return tuple(ordered.values())


def all_needs(ordered: Sequence[Step]) -> dict[str, frozenset[str]]:
    """For each step, in the order of ``in_order``, what it needs directly or through others."""
    needs: dict[str, frozenset[str]] = {}
    for step in ordered:
        needs[step.name] = step.needs.union(*(needs[need] for need in step.needs))
    return needs
