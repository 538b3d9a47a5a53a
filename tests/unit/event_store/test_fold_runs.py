"""Which version of a fold has applied what: the runs, against a list that says it per position."""

import random
from itertools import pairwise

import pytest

from shared.event_store.projections.fold_runs import (
    UNMARKED,
    FoldRun,
    Range,
    marked_as,
    oldest_stale,
    taken_over,
)


def test_the_first_process_with_marks_finds_that_all_is_unmarked() -> None:
    assert taken_over((), 0, 90, 1) == (FoldRun(0, UNMARKED), FoldRun(90, 1))
    assert oldest_stale((FoldRun(0, UNMARKED), FoldRun(90, 1)), 90, 1) == Range(0, 90)


def test_an_empty_projection_has_nothing_old() -> None:
    runs = taken_over((), 0, 0, 3)
    assert runs == (FoldRun(0, 3),)
    assert oldest_stale(runs, 0, 3) is None


def test_what_nobody_marked_is_found_when_a_marking_process_takes_over() -> None:
    runs = taken_over((FoldRun(0, 2),), 40, 55, 2)
    assert runs == (FoldRun(0, 2), FoldRun(40, UNMARKED), FoldRun(55, 2))


def test_an_older_version_leaves_what_a_newer_one_has_made() -> None:
    runs = taken_over((FoldRun(0, 2),), 40, 40, 1)
    assert runs == (FoldRun(0, 2), FoldRun(40, 1))
    assert oldest_stale(runs, 60, 1) is None
    assert oldest_stale(taken_over(runs, 60, 60, 2), 60, 2) == Range(40, 60)


def test_taking_over_from_itself_changes_nothing() -> None:
    assert taken_over((FoldRun(0, 2),), 40, 40, 2) == (FoldRun(0, 2),)


def test_a_mark_beyond_the_end_is_none() -> None:
    assert marked_as((FoldRun(0, 1),), Range(10, 20), 10, 2) == (FoldRun(0, 1),)


@pytest.mark.parametrize("seed", range(200))
def test_runs_say_what_a_list_says(seed: int) -> None:
    chance = random.Random(seed)
    runs: tuple[FoldRun, ...] = ()
    said: list[int] = []
    marked = 0
    writer = 0
    for _ in range(30):
        step = chance.random()
        if step < 0.3:
            unmarked = len(said) - marked
            said[marked:] = [UNMARKED] * unmarked
            writer = chance.randint(1, 3)
            runs = taken_over(runs, marked, len(said), writer)
            marked = len(said)
        elif step < 0.7 and writer:
            more = chance.randint(1, 4)
            said += [writer] * more
            if chance.random() < 0.8 and marked + more == len(said):
                marked = len(said)
        elif marked:
            after = chance.randrange(marked)
            part = Range(after, chance.randint(after + 1, marked + 2))
            fold = chance.randint(1, 3)
            runs = marked_as(runs, part, marked, fold)
            said[after : min(part.last, marked)] = [fold] * (min(part.last, marked) - after)
        by_runs = [
            next(run.fold for run in reversed(runs) if run.after < position)
            for position in range(1, marked + 1)
        ]
        assert by_runs == said[:marked]
        assert all(one.fold != other.fold for one, other in pairwise(runs))
        stale = oldest_stale(runs, marked, 3)
        old = [at for at, fold in enumerate(said[:marked]) if fold < 3]
        assert (stale.after if stale else None) == (old[0] if old else None)
        if stale:
            assert len(set(said[stale.after : stale.last])) == 1
