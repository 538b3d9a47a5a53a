"""Every task that a plan leads to has a function that does it, and a way to be done again."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.transcoder.coordinator.media_objects import referenced
from services.transcoder.coordinator.missing_media import media_lost, unfinished_tasks
from services.transcoder.domain.evolution import evolve
from services.transcoder.planning.plan import VideoTask, video_tasks
from services.transcoder.projections import JobProjection, open_tasks, planned_tasks
from services.transcoder.worker.worker import PERFORMERS
from shared.contracts import MediaLost
from tests.support.sequenced import sequenced
from tests.unit.transcoder.facts_about import (
    CAPTIONS,
    COMPLETED,
    IMAGES,
    TEXT,
    after,
    audio_encoded,
    chunk_encoded,
    plan,
)

PLAN = plan(texts=(TEXT,))
# One event for each task of the plan.
RESULTS = (
    *(chunk_encoded(PLAN, task.chunk, *task.renditions) for task in video_tasks(PLAN)),
    audio_encoded(0, 5, complete=True),
    IMAGES,
    CAPTIONS,
)
NAMES = {row["task_id"].rpartition("/")[2] for row in planned_tasks(PLAN)}
GLOSSARY = Path(__file__).resolve().parents[3] / "docs" / "glossary.md"


class Recorder:
    """Stands for a connection; keeps the values of all statements."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    async def execute(self, statement: Any) -> None:
        self.values += statement.compile().params.values()


def keys(value: object, name: str = "") -> Iterator[str]:
    """Every key of an object in an event."""
    if isinstance(value, dict):
        for inner, of in cast("dict[str, object]", value).items():
            yield from keys(of, inner)
    elif isinstance(value, list | tuple):
        for of in cast("list[object]", value):
            yield from keys(of, name)
    elif isinstance(value, str) and (name == "key" or name.endswith("_key")):
        yield value


KEYS = sorted({key for event in RESULTS for key in keys(msgspec.to_builtins(event))})


def test_every_kind_of_task_has_a_function() -> None:
    before = open_tasks(None, PLAN.video_id, PLAN.user_id, PLAN.attempt, ["plan"])
    kinds = {row["kind"] for row in (*before, *planned_tasks(PLAN))}
    kinds |= set(get_args(get_type_hints(VideoTask)["kind"]))
    assert kinds == PERFORMERS.keys()


def test_the_glossary_names_every_kind_of_task() -> None:
    (meaning,) = re.findall(r"^\| task \| (.+) \|$", GLOSSARY.read_text(), re.MULTILINE)
    assert PERFORMERS.keys() - set(re.findall(r"\w+", meaning)) == set()


def test_every_task_of_a_plan_is_unfinished_until_its_event() -> None:
    assert set(unfinished_tasks(after(PLAN))) == NAMES
    assert unfinished_tasks(after(PLAN, *RESULTS)) == [], "RESULTS lacks their events"


async def test_the_row_of_every_task_is_done_with_its_event() -> None:
    recorder = Recorder()
    events = sequenced([("transcode-v", event) for event in RESULTS], datetime.now(UTC))
    await JobProjection().apply(cast("AsyncConnection", recorder), events)
    rows = {row["task_id"] for row in planned_tasks(PLAN)}
    assert rows - set(recorder.values) == set()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_task_that_is_done_again_is_unfinished_again(name: str) -> None:
    lost = MediaLost(video_id="v", attempt=1, keys=(), tasks=(name,))
    assert unfinished_tasks(evolve(after(PLAN, *RESULTS, COMPLETED), lost)) == [name]


@pytest.mark.parametrize("key", KEYS)
def test_an_object_that_an_event_names_is_kept_and_can_be_made_again(key: str) -> None:
    """What nothing refers to is deleted."""
    state = after(PLAN, *RESULTS, COMPLETED)
    assert key in referenced("v", state)
    lost = media_lost("v", state, {key})
    assert lost is not None
    assert lost.tasks
