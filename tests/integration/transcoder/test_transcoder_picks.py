"""Which task is next, among many: the fair order, and what it costs to find it."""

import random
import re
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler import dispatcher
from services.transcoder.scheduler.tasks import (
    LONGEST_WAIT_SECONDS,
    MAX_TRIES,
    URGENT_PRIORITY,
    QueueName,
)
from tests.integration.transcoder.task_table import Scheduler

ADD_JOBS = text("""
insert into transcoder.jobs (video_id, user_id, source_key, size, attempt, state, playable)
select distinct video_id, user_id, 'k', 1, 1, job, false
from jsonb_to_recordset(cast(:rows as jsonb)) as r (video_id text, user_id text, job text)
""")
ADD_TASKS = text("""
insert into transcoder.tasks (
    task_id, video_id, user_id, attempt, kind, spec, priority, cost, state, tries, not_before
)
select task_id, video_id, user_id, 1, 'video', '{}', priority, cost, state, tries,
       case when later then now() + interval '10 minutes' end
from jsonb_to_recordset(cast(:rows as jsonb)) as r (
    task_id text, video_id text, user_id text, priority int, cost float, state text, tries int,
    later bool
)
order by task_id
""")


async def add(engine: AsyncEngine, rows: list[dict[str, Any]]) -> None:
    async with engine.begin() as connection:
        for statement in (ADD_JOBS, ADD_TASKS):
            await connection.execute(statement, {"rows": msgspec.json.encode(rows).decode()})


def made(chance: random.Random, number: int) -> dict[str, Any]:
    user = chance.choice(("ann", "bob", "cid", "dee"))
    video = chance.randrange(6)
    return {
        "task_id": f"{number:03}",
        "video_id": f"{user}-{video}",
        "user_id": user,
        "job": "completed" if video == 5 else "running",
        "priority": chance.randrange(5),
        "cost": chance.choice((0.5, 1.0, 4.0)),
        "state": chance.choice(("waiting",) * 5 + ("done",)),
        "tries": chance.choice((0,) * 6 + (MAX_TRIES,)),
        "later": chance.random() < 0.1,
    }


def fair_order(rows: list[dict[str, Any]], queue: QueueName) -> list[str]:
    """The order of start-time fair queueing, found by looking at every task each time."""
    left = [
        row
        for row in rows
        if row["state"] == "waiting"
        and row["job"] == "running"
        and row["tries"] < MAX_TRIES
        and not row["later"]
        and (row["priority"] <= URGENT_PRIORITY) == (queue == "urgent")
    ]
    clock, finish, order = 0.0, dict[str, float](), list[str]()

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        start = max(finish.get(row["user_id"], 0.0), clock)
        is_extra = row["priority"] > dispatcher.EXTRA_PRIORITY
        return start, is_extra, row["video_id"], row["priority"], row["task_id"]

    while left:
        row = min(left, key=place)
        start = place(row)[0]
        finish[row["user_id"]], clock = start + row["cost"], max(clock, start)
        order.append(row["task_id"])
        left.remove(row)
    return order


async def test_tasks_are_picked_in_the_order_of_fair_queueing(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    chance = random.Random(20)
    rows = [made(chance, number) for number in range(200)]
    await add(engine, rows)
    queues: tuple[QueueName, ...] = ("urgent", "bulk")
    for queue in queues:
        picked = await scheduler.pick(queue, ahead=len(rows))
        assert [task.task_id for task in picked] == fair_order(rows, queue)


async def test_a_task_that_a_worker_has_locked_keeps_none_of_its_users_others(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    chance = random.Random(21)
    rows = [made(chance, number) for number in range(200)]
    await add(engine, rows)
    queues: tuple[QueueName, ...] = ("urgent", "bulk")
    by_id = {row["task_id"]: row for row in rows}
    first = {
        (queue, by_id[task]["user_id"]): task
        for queue in queues
        for task in reversed(fair_order(rows, queue))
    }
    assert len(first) == 8
    async with engine.begin() as worker:
        lock = text("select task_id from transcoder.tasks where task_id = any(:ids) for update")
        await worker.execute(lock, {"ids": list(first.values())})
        others = [row for row in rows if row["task_id"] not in first.values()]
        for queue in queues:
            picked = await scheduler.pick(queue, ahead=len(rows))
            assert [task.task_id for task in picked] == fair_order(others, queue)
    for queue in queues:
        left = {task.task_id for task in await scheduler.pick(queue, ahead=len(rows))}
        assert left == {task for (name, _), task in first.items() if name == queue}


async def test_what_a_pick_reads_does_not_grow_with_the_tasks_that_wait(
    engine: AsyncEngine,
) -> None:
    rows = [
        {
            **{"task_id": f"{number:05}", "video_id": f"v{number // 10:04}"},
            **{"user_id": f"u{number // 10 % 3}", "job": "running", "priority": 2},
            **{"cost": 1.0, "state": "waiting", "tries": 0, "later": False},
        }
        for number in range(6000)
    ]
    await add(engine, rows)
    asked = f"explain (analyze) {dispatcher._PICKS['bulk'].text}"
    async with engine.connect() as connection:
        settled = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await settled.execute(text("analyze transcoder.tasks"))
        await settled.execute(text("analyze transcoder.jobs"))
        values = {"queue": "bulk", "max_tries": MAX_TRIES, "longest": LONGEST_WAIT_SECONDS}
        plan = (await settled.execute(text(asked), values)).scalars().all()
    read = [
        float(rows) * float(loops)
        for line in plan
        if "Scan" in line
        for rows, loops in re.findall(r"rows=([\d.]+) loops=(\d+)\)", line)
    ]
    assert read
    assert sum(read) < 100, "\n".join(plan)
