"""An earlier release meets the schema of a newer one: it was rolled back to, or runs beside it."""

from pathlib import Path

import asyncpg
import pytest

from deploy.local.database import modules
from shared.database.migrations import Migrations, SchemaTooNew
from shared.database.setup import prepare
from shared.database.wait import missing
from tests.support.databases import Database

_TABLES = """
import sqlalchemy as sa

metadata = sa.MetaData(schema="story")
"""
_MIGRATION = """
revision = "{revision}"
down_revision = {before!r}
branch_labels = None
depends_on = None
{oldest_code}

def upgrade() -> None:
    pass
"""


async def test_every_setup_leaves_a_newer_schema_as_it_is(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    schemas = [Migrations(module).schema for module in modules()]
    await _execute(
        database,
        *(f"update {schema}.schema_revision set version_num = '9999_newer'" for schema in schemas),
        "alter table catalog.videos add column of_a_newer_release text",
    )

    await prepare(database.admin_url, modules(), {})

    said = capsys.readouterr().out
    for schema in schemas:
        assert f"schema {schema} stays at revision 9999_newer" in said
        assert await _revision(database, schema) == "9999_newer"


async def test_a_release_is_rolled_back_to_unless_what_it_needs_was_removed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    _release(tmp_path, "release1", {"0001_a": ""})
    _release(tmp_path, "release2", {"0001_a": "", "0002_b": ""})
    # It removes what release 2 has stopped using.
    removes = {"0001_a": "", "0002_b": "", "0003_c": 'oldest_code = "0002_b"'}
    _release(tmp_path, "release3", removes)
    _release(tmp_path, "release4", {**removes, "0004_d": ""})

    await prepare(database.admin_url, ["release2"], {})
    await prepare(database.admin_url, ["release1"], {})
    await prepare(database.admin_url, ["release4"], {})
    await prepare(database.admin_url, ["release2"], {})
    refused = "story is at revision 0004_d: only releases that know revision 0002_b can use it"
    with pytest.raises(SchemaTooNew, match=refused):
        await prepare(database.admin_url, ["release1"], {})

    assert await _revision(database, "story") == "0004_d"
    assert await missing(database.admin_url, [Migrations("release2")]) is None
    assert refused in str(await missing(database.admin_url, [Migrations("release1")]))


def _release(folder: Path, name: str, migrations: dict[str, str]) -> None:
    """A package with a schema of its own and these migrations, in this order."""
    (folder / name / "migrations").mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    (folder / name / "tables.py").write_text(_TABLES)
    before: str | None = None
    for revision, oldest_code in migrations.items():
        (folder / name / "migrations" / f"{revision}.py").write_text(
            _MIGRATION.format(revision=revision, before=before, oldest_code=oldest_code)
        )
        before = revision


async def _revision(database: Database, schema: str) -> str:
    connection = await asyncpg.connect(database.admin_url)
    try:
        return await connection.fetchval(f"select version_num from {schema}.schema_revision")
    finally:
        await connection.close()


async def _execute(database: Database, *statements: str) -> None:
    connection = await asyncpg.connect(database.admin_url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
