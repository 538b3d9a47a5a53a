"""A category of streams has one writing service: the database refuses every other role."""

import uuid
from collections.abc import AsyncGenerator
from typing import get_args

import asyncpg
import pytest

from shared.contracts import Category, EmailChanged, stream_id
from shared.database.setup import ROLES
from shared.event_store.postgres import open_event_store
from shared.event_store.store import Metadata, NewEvent
from tests.support.databases import Database

WRITERS: dict[Category, str] = {
    "user": "auth",
    "upload": "ingest",
    "transcode": "transcoder",
    "live": "live",
    "livesession": "live",
    "video": "catalog",
}
# Neither a category nor the beginning of one is enough.
STRANGERS = ("other-1", "user", "users-1", "User-1", "-user-1", " user-1", "")
INSERT = """
insert into log.events (stream_id, version, event_id, type, schema_version, data, metadata)
select stream_id, 1, gen_random_uuid(), 'EmailChanged', 1, '{}', '{}'
from unnest($1::text[]) as stream_id
"""


@pytest.fixture(params=ROLES)
async def role(
    request: pytest.FixtureRequest, database: Database
) -> AsyncGenerator[tuple[str, "asyncpg.Connection[asyncpg.Record]"]]:
    """One of the services' roles, and its connection."""
    connection = await asyncpg.connect(database.url(request.param))
    try:
        yield request.param, connection
    finally:
        await connection.close()


def test_every_category_has_a_writer() -> None:
    assert set(WRITERS) == set(get_args(Category))


async def test_a_role_appends_to_its_own_category_only(
    role: tuple[str, "asyncpg.Connection[asyncpg.Record]"],
) -> None:
    name, connection = role
    for category, writer in WRITERS.items():
        if name == writer:
            await connection.execute(INSERT, [stream_id(category, "1")])
            continue
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(INSERT, [stream_id(category, "1")])
    for stranger in STRANGERS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(INSERT, [stranger])


async def test_one_foreign_row_refuses_the_whole_statement(database: Database) -> None:
    connection = await asyncpg.connect(database.url("auth"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(INSERT, ["user-1", "video-1"])
        assert await connection.fetchval("select count(*) from log.events") == 0
    finally:
        await connection.close()


# What else could add to, change or hide another service's events, or lift the rule.
TRICKS = (
    "update log.events set stream_id = 'video-2'",
    "update log.events set data = '{}' where false",
    "delete from log.events",
    "truncate log.events",
    "update log.positions set position = position + 1",
    "delete from log.positions",
    "create trigger t before insert on log.events execute function log.refuse_change()",
    "create rule r as on insert to log.events do instead nothing",
    "create policy all_of_it on log.events for insert with check (true)",
    "drop policy append_video on log.events",
    "drop trigger append_only on log.events",
    "alter table log.events disable row level security",
    "alter table log.events disable trigger append_only",
    "alter table log.events owner to current_user",
    "alter table log.events rename to old_events",
    "create table log.more () inherits (log.events)",
    "create or replace function log.refuse_change() returns trigger language sql as ''",
    "create function log.f() returns int language sql as 'select 1'",
    "create schema more",
    "create table public.more ()",
    "set session_replication_role = replica",
    "set session authorization cinelog_admin",
)


async def test_no_role_changes_the_log_or_its_rules(
    role: tuple[str, "asyncpg.Connection[asyncpg.Record]"],
) -> None:
    _, connection = role
    for trick in TRICKS:
        # For want of the right, not for a mistake in the statement.
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(trick)


async def test_a_role_does_not_become_another_one(
    role: tuple[str, "asyncpg.Connection[asyncpg.Record]"],
) -> None:
    name, connection = role
    for other in ROLES:
        if other != name:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"set role cinelog_{other}")


async def test_a_writer_does_not_choose_the_order_or_the_time(
    role: tuple[str, "asyncpg.Connection[asyncpg.Record]"],
) -> None:
    """An event of a transaction to come would keep every later event from getting a position."""
    name, connection = role
    categories: dict[str, Category] = {writer: category for category, writer in WRITERS.items()}
    if name not in categories:
        return
    for column, value in (
        ("written_by", "9000000000000000000"),
        ("seq", "1"),
        ("recorded_at", "'2001-01-01T00:00:00Z'"),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "insert into log.events"
                f" ({column}, stream_id, version, event_id, type, schema_version, data, metadata)"
                " overriding system value"
                f" values ({value}, $1, 1, gen_random_uuid(), 'EmailChanged', 1, '{{}}', '{{}}')",
                stream_id(categories[name], "1"),
            )


async def test_other_ways_to_insert_are_refused_too(
    role: tuple[str, "asyncpg.Connection[asyncpg.Record]"],
) -> None:
    name, connection = role
    columns = ("stream_id", "version", "event_id", "type", "schema_version", "data", "metadata")
    for category, writer in WRITERS.items():
        if name == writer:
            continue
        row = (stream_id(category, "1"), 1, uuid.uuid4(), "EmailChanged", 1, "{}", "{}")
        refused = (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)
        with pytest.raises(refused):
            await connection.copy_records_to_table(
                "events", schema_name="log", columns=columns, records=[row]
            )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                f"insert into log.events ({', '.join(columns)})"
                " values ($1, $2, $3, $4, $5, $6, $7)"
                " on conflict (stream_id, version) do update set data = excluded.data",
                *row,
            )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "merge into log.events as old using (select $1::text as id) as new"
                " on old.stream_id = new.id when not matched then insert"
                " (stream_id, version, event_id, type, schema_version, data, metadata)"
                " values (new.id, 1, gen_random_uuid(), 'EmailChanged', 1, '{}', '{}')",
                row[0],
            )


async def test_the_owner_may_append_to_all(database: Database) -> None:
    """A restore from the archive does."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute(INSERT, [f"{category}-1" for category in WRITERS])
    finally:
        await connection.close()


async def test_all_that_may_read_see_all_streams(database: Database) -> None:
    owner = await asyncpg.connect(database.admin_url)
    try:
        await owner.execute(INSERT, [f"{category}-1" for category in WRITERS])
    finally:
        await owner.close()
    for name in {*WRITERS.values(), "relay"}:
        reader = await asyncpg.connect(database.url(name))
        try:
            assert await reader.fetchval("select count(*) from log.events") == len(WRITERS)
        finally:
            await reader.close()


async def test_a_store_fails_for_a_foreign_stream_and_goes_on(database: Database) -> None:
    event = NewEvent(EmailChanged(user_id="1"))
    async with open_event_store(database.url("auth")) as store:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await store.append("video-1", 0, [event], Metadata())
        assert await store.append("user-1", 0, [event], Metadata()) == 1
