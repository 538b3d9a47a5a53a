"""A small storm in every test run; ``make chaos`` is the large one."""

import os
import random

import pytest

from tests.chaos import version_faults
from tests.chaos.kinds import KINDS as ALL
from tests.chaos.kinds import choose, impossible, named
from tests.chaos.storm import storm

KINDS = (
    *("kill gateway", "kill ingest", "kill relay", "kill planner", "kill mid-chunk"),
    *("kill postgres", "purge queues", "repeat events", "delete segments", "older planner"),
    *("kill live", "kill live's ffmpeg"),
)


def test_the_same_seed_gives_the_same_order_and_every_kind_has_its_turn() -> None:
    once = choose(100, random.Random("7 faults"))
    assert once == choose(100, random.Random("7 faults"))
    assert set(once[: len(ALL)]) == set(ALL)


def test_kinds_are_named_by_patterns() -> None:
    assert named(("lose power", "mute d*")) == ("lose power", "mute database")
    assert set(named(())) <= set(ALL)
    with pytest.raises(ValueError, match="no kind is named earthquake"):
        named(("earthquake",))


def test_without_its_history_a_clone_leaves_out_earlier_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(version_faults, "OLDER", "0" * 40)
    assert "roll back" in impossible()
    assert not {"roll back", "older planner"} & set(named(()))


@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_a_small_storm() -> None:
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    said: list[str] = []
    kinds = tuple(kind for kind in KINDS if kind not in impossible())
    outcome = storm(seed, 8, len(kinds), say=said.append, kinds=kinds)
    report = "\n".join((*said, *outcome.problems, outcome.logs))
    assert outcome.problems == [], report
    assert sum(outcome.faults.values()) >= 8, report
