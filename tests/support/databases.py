"""A fresh, fully migrated database for each test, copied from a template."""

import hmac
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
from msgspec import Struct

from deploy.local.database import fingerprint, modules
from shared.database.setup import ROLES, prepare
from tests.support import threads

# Roles belong to the whole server, so two runs against one server take turns.
_TEMPLATE_LOCK = 7_100_002


class Database(Struct, frozen=True):
    """One database and how each service's role logs in to it."""

    admin_url: str
    """As the owner of everything."""

    @property
    def name(self) -> str:
        """By which it can be copied while nobody is connected."""
        return urlsplit(self.admin_url).path.removeprefix("/")

    def url(self, role: str) -> str:
        """The login of ``auth``, ``ingest``, ``transcoder``, ``catalog``, ``live`` or ``relay``."""
        parts = urlsplit(self.admin_url)
        password = passwords(self.admin_url)[role]
        netloc = f"cinelog_{role}:{password}@{parts.hostname}:{parts.port}"
        return urlunsplit(parts._replace(netloc=netloc))

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Close every connection to this database and refuse new ones until the end."""
        name = urlsplit(self.admin_url).path.removeprefix("/")
        server = await asyncpg.connect(_in_database(self.admin_url, "postgres"))
        try:
            await server.execute(f"alter database {name} with allow_connections false")
            await server.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1",
                name,
            )
            yield
        finally:
            await server.execute(f"alter database {name} with allow_connections true")
            await server.close()


def passwords(admin_url: str) -> dict[str, str]:
    """The roles' passwords: the same for every run against one server."""
    key = unquote(urlsplit(admin_url).password or "").encode()
    return {role: hmac.digest(key, role.encode(), "sha256").hex() for role in ROLES}


def migrated_template(server_url: str) -> str:
    """The name of a database with the newest migrations, made at most once per server."""
    name = f"cinelog_template_{fingerprint()}"
    threads.run(lambda: _make_template(server_url, name))
    return name


@contextmanager
def copy_of(server_url: str, template: str) -> Iterator[Database]:
    """A database of one's own, dropped at the end whoever is still connected."""
    name = f"cinelog_test_{uuid.uuid4().hex}"
    # Copies files: half of the CPU time of copying page by page through the log.
    create = f"create database {name} template {template} strategy file_copy"
    threads.run(lambda: _execute(server_url, create))
    try:
        yield Database(_in_database(server_url, name))
    finally:
        drop = f"drop database {name} with (force)"
        threads.run(lambda: _execute(server_url, drop))


async def _make_template(server_url: str, name: str) -> None:
    server = await asyncpg.connect(server_url)
    try:
        await server.execute("select pg_advisory_lock($1)", _TEMPLATE_LOCK)
        if await server.fetchval("select 1 from pg_database where datname = $1", name):
            return
        await server.execute(f"drop database if exists {name}_partial with (force)")
        await server.execute(f"create database {name}_partial")
        url = _in_database(server_url, f"{name}_partial")
        await prepare(url, modules(), passwords(server_url))
        await server.execute(f"alter database {name}_partial rename to {name}")
    finally:
        await server.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _in_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
