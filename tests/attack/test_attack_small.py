"""A tenth of each attack in every test run; ``make attack`` is the whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.attacks import ATTACKS, run
from tests.attack.scene import Scene, place_in
from tests.support.stack import RunningStack


@pytest.fixture(scope="module")
def place(cinelog: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("attack")
    with place_in(cinelog, folder) as place:
        yield place


@pytest.mark.parametrize("name", [name for name, each in ATTACKS.items() if each.small])
def test_one_account_takes_nothing_away_from_others(place: Scene, name: str) -> None:
    outcome = run(place, name, small=True)
    assert outcome.problems == [], str(outcome)
