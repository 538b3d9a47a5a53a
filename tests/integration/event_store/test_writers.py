"""A category of streams has one writing service: the database refuses every other role."""

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
    for name in (*WRITERS.values(), "relay"):
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
