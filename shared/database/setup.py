"""Prepare a database: schemas, login roles with least privilege, and all migrations.

``python -m shared.database.setup shared.event_store services.auth …`` reads DATABASE_ADMIN_URL
and ROLE_PASSWORD_<SERVICE> for each role. Running it again changes nothing; neither does running
that of an earlier release, which is rolled back to.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import asyncpg

from shared.database.connect import create_engine
from shared.database.migrations import Migrations, SchemaTooNew
from shared.database_sessions import STATEMENT_SECONDS

ROLES = ("auth", "ingest", "transcoder", "catalog", "live", "relay", "operator", "backup")

# Serialises setups: all replicas of a release may start one.
_SETUP_LOCK = 7_100_001


async def prepare(admin_url: str, modules: Sequence[str], passwords: Mapping[str, str]) -> None:
    """Create missing roles, extensions and schemas, and migrate ``modules`` in this order.

    ``passwords`` maps a role's short name (see ROLES) to its password; other roles keep theirs.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("select pg_advisory_lock($1)", _SETUP_LOCK)
        await _create_roles(connection, passwords)
        await connection.execute("create extension if not exists pg_trgm")
        await connection.execute("create extension if not exists unaccent")
        for module in modules:
            await _migrate(connection, admin_url, Migrations(module))
    finally:
        await connection.close()


async def _create_roles(
    connection: "asyncpg.Connection[asyncpg.Record]", passwords: Mapping[str, str]
) -> None:
    database = await connection.fetchval("select quote_ident(current_database())")
    for short in ROLES:
        role = f"cinelog_{short}"
        await _role_statement(connection, f"create role {role} login")
        # Of the role and not of the session, so that no connection forgets it.
        limit = f"alter role {role} set statement_timeout = '{STATEMENT_SECONDS}s'"
        await _role_statement(connection, limit)
        if short in passwords:
            # Role statements take no parameters; format('%L') quotes the literal.
            statement = await connection.fetchval(
                "select format('alter role %I password %L', $1::text, $2::text)",
                role,
                passwords[short],
            )
            await _role_statement(connection, statement)
        await connection.execute(f"grant connect on database {database} to {role}")
    try:
        # Tables that are made anew, such as by a rebuild, are its to read, too.
        await _role_statement(connection, "grant pg_read_all_data to cinelog_backup")
    except asyncpg.InsufficientPrivilegeError:
        sys.stdout.write("no backups: this owner may not grant pg_read_all_data\n")


async def _role_statement(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> None:
    """Run a statement about a role. Roles are global to the server; the setup lock is not."""
    while True:
        try:
            await connection.execute(statement)
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            return
        except asyncpg.InternalServerError as error:
            # The setup of another database changed the same role at the same time.
            if "concurrently updated" not in str(error):
                raise
        else:
            return


async def _migrate(
    connection: "asyncpg.Connection[asyncpg.Record]", admin_url: str, migrations: Migrations
) -> None:
    schema = migrations.schema
    await connection.execute(f"create schema if not exists {schema}")
    engine = create_engine(admin_url, size=1, answer_seconds=None)
    try:
        async with engine.begin() as sync:
            newer = await sync.run_sync(migrations.upgrade)
    finally:
        await engine.dispose()
    if newer is not None:
        said = f"schema {schema} stays at revision {newer}, of a newer release; this one runs on it"
        sys.stdout.write(f"{said}\n")
    if schema in ROLES:
        await _grant_own_schema(connection, schema)
    # Processes wait until the migrations have run (shared.database.wait), so they must see these.
    for short in [schema] if schema in ROLES else ROLES:
        await connection.execute(f"grant usage on schema {schema} to cinelog_{short}")
        await connection.execute(f"grant select on {schema}.schema_revision to cinelog_{short}")


async def _grant_own_schema(connection: "asyncpg.Connection[asyncpg.Record]", schema: str) -> None:
    role = f"cinelog_{schema}"
    await connection.execute(f"grant usage on schema {schema} to {role}")
    await connection.execute(
        f"grant select, insert, update, delete, truncate on all tables in schema {schema} to {role}"
    )
    await connection.execute(f"grant usage, select on all sequences in schema {schema} to {role}")
    await connection.execute(f"revoke all on {schema}.schema_revision from {role}")


def main() -> None:
    """Read the environment and prepare the database that it names."""
    modules = sys.argv[1:]
    admin_url = os.environ.get("DATABASE_ADMIN_URL")
    if not admin_url or not modules:
        sys.exit("usage: DATABASE_ADMIN_URL=… python -m shared.database.setup MODULE…")
    passwords = {
        short: os.environ[f"ROLE_PASSWORD_{short.upper()}"]
        for short in ROLES
        if os.environ.get(f"ROLE_PASSWORD_{short.upper()}")
    }
    try:
        asyncio.run(prepare(admin_url, modules, passwords))
    except SchemaTooNew as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
