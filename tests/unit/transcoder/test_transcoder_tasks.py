"""Every task that a plan leads to has a function that does it, and a way to be done again."""

from typing import get_args, get_type_hints

from services.transcoder.coordinator.missing_media import unfinished_tasks
from services.transcoder.planning.plan import VideoTask
from services.transcoder.projections import open_tasks, planned_tasks
from services.transcoder.worker.worker import PERFORMERS
from tests.unit.transcoder.facts_about import after, plan

PLAN = plan()


def test_every_kind_of_task_has_a_function() -> None:
    before = open_tasks(None, PLAN.video_id, PLAN.user_id, PLAN.attempt, ["plan"])
    kinds = {row["kind"] for row in (*before, *planned_tasks(PLAN))}
    kinds |= set(get_args(get_type_hints(VideoTask)["kind"]))
    assert kinds == PERFORMERS.keys()


def test_every_task_of_a_plan_is_unfinished_until_its_event() -> None:
    names = {row["task_id"].rpartition("/")[2] for row in planned_tasks(PLAN)}
    assert set(unfinished_tasks(after(PLAN))) == names
