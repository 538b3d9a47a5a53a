"""A restored dump is older than the log that the archive completes: what the log ended stays so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.auth.settings import AuthSettings
from tests.support.auth_stage import PASSWORD, Stage, data, error, stage
from tests.support.databases import Database
from tests.support.wait import eventually

_TABLES = ("accounts", "sessions", "refresh_tokens")


@asynccontextmanager
async def restored_after(auth: Stage) -> AsyncIterator[None]:
    """Auth's tables are at the end as they were at the beginning."""
    dump = {
        name: await auth.rows(f"select to_jsonb(t)::text from auth.{name} t") for name in _TABLES
    }
    yield
    await auth.rows("truncate auth.accounts, auth.sessions, auth.ended_sessions cascade")
    for name, rows in dump.items():
        insert = f"insert into auth.{name} select * from jsonb_populate_record(null::auth.{name}"
        for row in rows:
            await auth.rows(f"{insert}, $1::jsonb)", row[0])


async def test_a_deleted_account_stays_deleted(config: AuthSettings, database: Database) -> None:
    async with stage(config, database.admin_url) as auth:
        alice = await auth.register("alice")
        await auth.register("bob")
        async with restored_after(auth):
            path = f"/users/{alice['user']['id']}"
            data(
                await auth.call("DELETE", path, {"password": PASSWORD}, token=alice["access_token"])
            )

    async with stage(config, database.admin_url) as auth:

        async def left() -> bool:
            return await auth.rows("select username from auth.accounts") == [("bob",)]

        await eventually(left)
        error(await auth.login("alice"), 401)
        error(await auth.refresh(alice["refresh_token"]), 401)
        data(await auth.login("bob"))
        await auth.register("alice")


async def test_an_ended_session_stays_ended(config: AuthSettings, database: Database) -> None:
    async with stage(config, database.admin_url) as auth:
        stolen = await auth.register("alice")
        kept = data(await auth.login("alice"))
        async with restored_after(auth):
            data(await auth.call("POST", "/auth/logout", token=stolen["access_token"]))

    async with stage(config, database.admin_url) as auth:

        async def ended() -> bool:
            return len(await auth.rows("select session_id from auth.sessions")) == 1

        await eventually(ended)
        error(await auth.refresh(stolen["refresh_token"]), 401)
        error(await auth.call("GET", "/users/me", token=stolen["access_token"]), 401)
        data(await auth.refresh(kept["refresh_token"]))
