"""Alembic migrations of each module, without alembic.ini and env.py.

A module that owns tables has a ``tables.py``, whose ``metadata`` names the module's own schema, and
a folder ``migrations/`` beside it. Migrations only go forward. A release adds what it needs and
removes only what the previous release no longer uses (expand and contract), so that processes of
both releases can run at the same time, and the previous one can be rolled back to.

A migration that removes something names the revision that came with the first release that does
without it, as ``oldest_code = "0009_folds"``. The schema keeps that name, and code that does not
know it refuses the schema.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

TEMPLATE = Path(__file__).parent / "template"


class SchemaTooNew(Exception):
    """A newer release has removed what this code needs; the message says which schema."""


class Migrations:
    """The migrations of one module, such as ``services.catalog``."""

    def __init__(self, module: str) -> None:
        self.module = module
        tables = import_module(f"{module}.tables")
        self.metadata: MetaData = tables.metadata
        if self.metadata.schema is None:
            raise ValueError(f"{module}.tables.metadata names no schema")
        self.schema: str = self.metadata.schema
        package = Path(str(tables.__file__)).parent
        self.folder = package / "migrations"
        self._script = ScriptDirectory(
            str(TEMPLATE), file_template="%(rev)s", version_locations=[str(self.folder)]
        )

    def upgrade(self, connection: Connection) -> str | None:
        """Bring the schema to the newest revision. A newer release's stays: it is returned.

        Raises SchemaTooNew where this code cannot use the newer one.
        """
        current = self._context(connection).get_current_revision()
        if current is not None and current not in self._revisions():
            found = text(self.oldest_code_query)
            if reason := self.refused_by(current, connection.scalar(found)):
                raise SchemaTooNew(reason)
            return current

        def steps(revision: Any, _context: MigrationContext) -> Any:
            return self._script._upgrade_revs("head", revision)  # pyright: ignore[reportPrivateUsage]

        with EnvironmentContext(Config(), self._script, fn=steps) as environment:
            environment.configure(connection=connection, **self._options())
            with environment.begin_transaction():
                environment.run_migrations()
                self._name_oldest_code(connection)
        return None

    def is_reached_by(self, revision: str | None) -> bool:
        """Whether a schema at ``revision`` has everything that this code adds.

        An unknown revision belongs to a newer release, which keeps what this one uses, or says in
        the schema that it does not: ``refused_by``.
        """
        ours = self._revisions()
        return revision is not None and (revision == ours[0] or revision not in ours)

    @property
    def oldest_code_query(self) -> str:
        """Selects the revision that code must know to use the schema; null: all code can."""
        return f"select obj_description('{self.schema}.schema_revision'::regclass, 'pg_class')"

    def refused_by(self, revision: str | None, oldest_code: str | None) -> str | None:
        """Why this code cannot use a schema at ``revision``; None if it can."""
        if oldest_code is None or oldest_code in self._revisions():
            return None
        return (
            f"schema {self.schema} is at revision {revision}: only releases that know revision "
            f"{oldest_code} can use it"
        )

    def _revisions(self) -> list[str]:
        """The newest first."""
        return [script.revision for script in self._script.walk_revisions()]

    def _name_oldest_code(self, connection: Connection) -> None:
        """Keep what the migrations say, for releases that do not have them."""
        named = [
            script.module.oldest_code
            for script in self._script.walk_revisions()
            if hasattr(script.module, "oldest_code")
        ]
        if named:
            # A name of ours; the statement takes no parameters.
            connection.execute(
                text(f"comment on table {self.schema}.schema_revision is '{named[0]}'")
            )

    def differences(self, connection: Connection) -> list[Any]:
        """The differences between the models and the migrated schema."""
        return list(compare_metadata(self._context(connection), self.metadata))

    def write_revision(self, connection: Connection, message: str) -> Path:
        """Write the migration from the current schema to the models; return its path.

        Raises ValueError if they do not differ.
        """
        context = self._context(connection)
        script = produce_migrations(context, self.metadata)
        if script.upgrade_ops is None or script.upgrade_ops.is_empty():
            raise ValueError(f"the migrations of {self.module} already match its models")
        body = render_python_code(script.upgrade_ops, migration_context=context)
        imports = "from sqlalchemy.dialects import postgresql\n" if "postgresql." in body else ""
        existing = list(self._script.walk_revisions())
        slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
        revision = f"{len(existing) + 1:04d}_{slug}"
        self.folder.mkdir(exist_ok=True)
        written = self._script.generate_revision(
            revision, message, upgrades=body, imports=imports, head="head"
        )
        if written is None:
            raise ValueError(f"no revision was written for {self.module}")
        return Path(written.path)

    def _context(self, connection: Connection) -> MigrationContext:
        return MigrationContext.configure(connection, opts=self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "target_metadata": self.metadata,
            "version_table": "schema_revision",
            "version_table_schema": self.schema,
            "include_schemas": True,
            "include_name": self._include_name(),
            "compare_server_default": False,
        }

    def _include_name(self) -> Callable[[str | None, str, Any], bool]:
        def include(name: str | None, kind: str, _parents: Any) -> bool:
            if kind == "schema":
                return name == self.schema
            return not (kind == "table" and name == "schema_revision")

        return include
