"""A fold that makes other rows has another version, so that rows of the old one are folded again.

After a change of a fold: one more in its ``FOLD``, then
``CINELOG_TEST_PIN_FOLDS=1 .venv/bin/python -m pytest tests/contract/test_folds.py`` writes down
what it makes of the golden events; without the variable it passes then. A new golden event is
pinned so too. Where the code changed and the rows of every history did not, the version may stay; a
changed row of a golden event always needs another one.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from shared.contracts import EVENT_TYPES
from shared.database.connect import create_engine
from shared.event_store.projections.refold import Refoldable
from tests.contract.folds import (
    FOLDS,
    Fold,
    Pin,
    code_digest,
    golden_events,
    pinned,
    present,
    write_pin,
)
from tests.support.databases import Database

_OTHER_ROWS = "other rows"


def complaint(old: Pin | None, new: Pin) -> str | None:
    """What is wrong with a fold, compared with its pin."""
    if old is None:
        return "nothing is pinned"
    if old == new:
        return None
    if old.fold != new.fold:
        return "the version is new: pin what it makes"
    changed = [step for step, rows in new.rows.items() if old.rows.get(step) != rows]
    if changed and set(old.rows) == set(new.rows):
        return f"{_OTHER_ROWS} after {changed[0]}: FOLD must be one more"
    return "the code or the golden events have changed: FOLD must be one more if rows can differ"


@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: fold.name)
async def test_a_fold_makes_what_its_version_pins(fold: Fold, database: Database) -> None:
    engine = create_engine(database.url(fold.schema), size=1)
    async with engine.begin() as connection:
        new = await present(fold, connection)
    await engine.dispose()
    found = complaint(pinned(fold), new)
    if os.environ.get("CINELOG_TEST_PIN_FOLDS") and found and not found.startswith(_OTHER_ROWS):
        write_pin(fold, new)
    assert found is None, f"{fold.name}: {found} (this file's first lines say how)"


def test_each_golden_event_is_in_the_history() -> None:
    assert {event.type for event in golden_events(datetime.now(UTC))} == set(EVENT_TYPES)


@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: fold.name)
def test_each_fold_can_be_folded_again(fold: Fold) -> None:
    assert isinstance(fold.projection, Refoldable)
    assert fold.projection.fold > 0


def test_a_change_of_code_or_rows_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "fold.py"

    def digest(source: str) -> str:
        path.write_text(source)
        module = ModuleType("fold")
        module.__file__ = str(path)
        return code_digest([module])

    same = digest('"""Says."""\nFOLD: int = 1\ndef f(a):\n    return a + 1\n')
    assert same == digest('FOLD: int = 2\n# Why.\ndef f(a):\n    """It."""\n    return (a + 1)\n')
    assert same != digest("FOLD: int = 1\ndef f(a):\n    return a + 2\n")
