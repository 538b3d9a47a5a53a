"""Which version of a fold has applied which part of the log. Pure.

A projection's fold is the code that makes rows of events; its version is a number that grows with
each change of the rows. Runs are in order: each goes from a position to the next run's.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

import msgspec

UNMARKED: Final = 0
"""The version of processes that mark nothing: those of releases before the marks."""


class FoldRun(msgspec.Struct, frozen=True):
    """The events after ``after``, up to the next run, were applied by the version ``fold``."""

    after: int
    fold: int


class Range(msgspec.Struct, frozen=True):
    """The events after one position up to another."""

    after: int
    last: int


def taken_over(
    runs: Sequence[FoldRun], marked: int, position: int, fold: int
) -> tuple[FoldRun, ...]:
    """The runs of a projection that ``fold`` continues from ``position``.

    ``marked``: the position up to which the runs are right. What was applied beyond it was applied
    by a process that marks nothing, or whose version is not the one that had taken over.
    """
    found = [*runs]
    if marked < position:
        found.append(FoldRun(marked, UNMARKED))
    return _joined([*found, FoldRun(position, fold)])


def marked_as(
    runs: Sequence[FoldRun], part: Range, position: int, fold: int
) -> tuple[FoldRun, ...]:
    """The runs after ``fold`` has applied a part of the log again. They end at ``position``."""
    last = min(part.last, position)
    if last <= part.after:
        return tuple(runs)
    before = [run for run in runs if run.after < part.after]
    after = [run for run in runs if run.after > last]
    following = [run.fold for run in runs if run.after <= last]
    rest = [FoldRun(last, following[-1])] if following else []
    return _joined([*before, FoldRun(part.after, fold), *rest, *after])


def oldest_stale(runs: Sequence[FoldRun], position: int, fold: int) -> Range | None:
    """The first part of the log that an older version than ``fold`` has applied."""
    for run, following in zip_longest(runs, runs[1:]):
        end = following.after if following else position
        if run.fold < fold and run.after < end:
            return Range(run.after, end)
    return None


def _joined(runs: Sequence[FoldRun]) -> tuple[FoldRun, ...]:
    """Without empty runs, and without a border between runs of the same version.

    The last run stays though it is empty: it is the one that grows.
    """
    joined: list[FoldRun] = []
    for run, following in zip_longest(runs, runs[1:]):
        empty = following is not None and following.after == run.after
        if not empty and (not joined or joined[-1].fold != run.fold):
            joined.append(run)
    return tuple(joined)
