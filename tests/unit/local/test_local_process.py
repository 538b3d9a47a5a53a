from pathlib import Path

import pytest

from deploy.local.process import PlanError, Process, Step, Task, all_needs, in_order


async def ready() -> bool:
    return True


async def nothing() -> None:
    return None


def process(name: str, *needs: str) -> Process:
    return Process(name, ("true",), Path(), ready, needs=frozenset(needs))


def task(name: str, *needs: str) -> Task:
    return Task(name, nothing, frozenset(needs))


def names(*steps: Step) -> list[str]:
    return [step.name for step in in_order(steps)]


def test_what_is_needed_comes_first() -> None:
    gateway, auth = process("gateway", "auth"), process("auth", "migrations")

    ordered = names(gateway, auth, task("migrations", "postgres"), process("postgres"))

    assert ordered == ["postgres", "migrations", "auth", "gateway"]


def test_unrelated_steps_keep_their_order() -> None:
    assert names(process("b"), process("a")) == ["b", "a"]


def test_a_circle_is_refused() -> None:
    with pytest.raises(PlanError, match="a → b → a is a circle"):
        names(process("a", "b"), process("b", "a"))


def test_a_need_that_does_not_exist_is_refused() -> None:
    with pytest.raises(PlanError, match="gateway needs auth"):
        names(process("gateway", "auth"))


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(PlanError, match="same name"):
        names(process("a"), process("a"))


def test_needs_reach_through_tasks() -> None:
    steps = in_order((process("auth", "migrations"), task("migrations", "pg"), process("pg")))

    assert all_needs(steps)["auth"] == {"migrations", "pg"}
