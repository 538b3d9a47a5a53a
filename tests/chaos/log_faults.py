"""Events of a newer version in the log, and a restore of the log beside all else."""

import asyncio
import os
import random
import time
import uuid
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from deploy.local.environments import tool_environment
from shared.database.setup import prepare
from tests.chaos.looking import patiently, rows
from tests.chaos.scene import Broken, Scene
from tests.support.forked import run_service
from tests.support.stack import RunningStack
from tests.support.threads import run

_NEWER_SECONDS: Final = (8.0, 20.0)
_APPEND: Final = """
insert into log.events (stream_id, version, event_id, type, schema_version, data, metadata)
select $1, max(version) + 1, $2, 'TranscodeReviewed', 1, $3::jsonb, '{}'
from log.events where stream_id = $1
"""
# What a version that knows the event would make of it: here, an event without consequences.
_UNDERSTAND: Final = """
update log.events set type = 'TranscodeProgressed',
       data = data || '{"percent": 0.0, "stage": "reviewed"}'
where event_id = any($1::uuid[])
"""


def append_newer(scene: Scene, chance: random.Random) -> str | None:
    """Some streams get an event that no process knows, until a newer version would run."""
    jobs = rows(scene.stack, "select video_id, attempt from transcoder.jobs order by random()")
    chosen = jobs[: chance.randint(1, 3)]
    ids = [eid for job in chosen if (eid := _append(scene.stack, job[0], job[1])) is not None]
    if not ids:
        return None
    seconds = chance.uniform(*_NEWER_SECONDS)
    time.sleep(seconds)
    patiently(lambda: _as_owner(scene.stack, _UNDERSTAND, ids))
    return f"{len(ids)} streams had an event of a newer version for {seconds:.0f} s"


def _append(stack: RunningStack, video_id: str, attempt: int) -> uuid.UUID | None:
    event_id = uuid.uuid4()
    data = msgspec.json.encode({"video_id": video_id, "attempt": attempt}).decode()
    for _ in range(10):
        try:
            _as_owner(stack, _APPEND, f"transcode-{video_id}", event_id, data)
        except (asyncpg.UniqueViolationError, asyncpg.NotNullViolationError, OSError):
            # Another writer appended at the same moment, or nothing is there yet.
            time.sleep(0.2)
        else:
            return event_id
    return None


def _as_owner(stack: RunningStack, statement: str, *arguments: Any) -> None:
    """Execute past the triggers that make the log append-only."""

    async def work() -> None:
        async with asyncio.timeout(15):
            connection = await asyncpg.connect(stack.stack.urls.postgres, timeout=5)
            try:
                async with connection.transaction():
                    await connection.execute("set local session_replication_role = replica")
                    await connection.execute(statement, *arguments)
            finally:
                connection.terminate()

    run(work)


def restore_beside(scene: Scene, _chance: random.Random) -> str | None:
    """The archive is verified and restored into an empty database while everything runs."""
    stack = scene.stack
    name = f"restored_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(stack.stack.urls.postgres)._replace(path=f"/{name}"))
    patiently(lambda: _as_statement(stack, f"create database {name}"))
    try:
        run(lambda: prepare(url, ["shared.event_store"], {}))
        _cinelog(stack, "archive", "run")
        _cinelog(stack, "archive", "restore", "--yes", database=url)
        ours = {row[0]: row[1] for row in rows(stack, _LOG)}
        restored = run(lambda: _fetch(url, _LOG))
    finally:
        patiently(lambda: _as_statement(stack, f"drop database if exists {name} with (force)"))
    if not restored:
        return None
    if wrong := [row[0] for row in restored if ours.get(row[0]) != row[1]]:
        raise Broken(f"{len(wrong)} restored events are not those of the log: {wrong[:5]}")
    if [row[0] for row in restored] != list(range(1, len(restored) + 1)):
        raise Broken("the restored log has gaps")
    return f"restored {len(restored)} events beside it"


_LOG: Final = "select position, event_id from log.positions join log.events using (seq) order by 1"


async def _fetch(url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetch(query)
    finally:
        connection.terminate()


def _as_statement(stack: RunningStack, statement: str) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(stack.stack.urls.postgres, timeout=5)
        try:
            await connection.execute(statement)
        finally:
            connection.terminate()

    run(work)


def _cinelog(stack: RunningStack, *command: str, database: str | None = None) -> None:
    environment = {**os.environ, **tool_environment(stack.stack, "cli")}
    if database is not None:
        environment["DATABASE_ADMIN_URL"] = database
    ended = run_service("services.operator.main", *command, env=environment, timeout=300)
    if ended.returncode != 0:
        raise OSError(f"cinelog {' '.join(command)}: {ended.stdout}{ended.stderr}"[-2000:])


FAULTS: Final = {"append newer": append_newer, "restore beside": restore_beside}
