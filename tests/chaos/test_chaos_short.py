"""A small storm in every test run; ``make chaos`` is the large one."""

import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.local.environments import processes
from deploy.local.supervisor import Status
from tests.chaos import version_faults
from tests.chaos.clips import Clips
from tests.chaos.faults import SERVICES
from tests.chaos.kinds import KINDS as ALL
from tests.chaos.kinds import choose, impossible, named
from tests.chaos.scene import Broken, Sacrifices, Scene
from tests.chaos.storm import storm
from tests.support.real_parts import ROOT

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


@pytest.mark.skipif(not version_faults.has_older(), reason="the clone has no history")
def test_the_earlier_version_has_every_process_that_it_takes_the_place_of() -> None:
    for name, needs in processes(2).items():
        path = f"{needs.command[0].replace('.', '/')}.py"
        named = ("git", "cat-file", "-e", f"{version_faults.OLDER}:{path}")
        assert subprocess.run(named, cwd=ROOT, check=False).returncode == 0, name


class _OneStaysAway:
    """A stack whose ``live`` does not start."""

    def __init__(self) -> None:
        self.of_today: list[str] = []

    def run_code_in(self, name: str, folder: Path | None) -> None:
        if folder is None:
            self.of_today.append(name)

    def signal(self, name: str, number: signal.Signals) -> int:
        raise LookupError(name)

    def is_back(self, name: str, killed: int | None) -> bool:
        return name != "live"

    def status(self, name: str) -> Status:
        return Status(name, "restarting", reason="it ended")


def test_one_that_does_not_start_keeps_no_other_of_the_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_faults, "_READY_SECONDS", 0.0)
    stack: Any = _OneStaysAway()
    scene = Scene(stack, Sacrifices("", Clips(tmp_path)), older=tmp_path)

    with pytest.raises(Broken, match="live, older: False, is restarting: it ended"):
        version_faults.roll_back(scene, random.Random(1))

    assert sorted(stack.of_today) == sorted(SERVICES)


@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_a_small_storm() -> None:
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    said: list[str] = []
    kinds = tuple(kind for kind in KINDS if kind not in impossible())
    outcome = storm(seed, 8, len(kinds), say=said.append, kinds=kinds)
    report = "\n".join((*said, *outcome.problems, outcome.logs))
    assert outcome.problems == [], report
    assert sum(outcome.faults.values()) >= 8, report
