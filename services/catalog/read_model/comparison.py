"""Compares rebuilt read models with the live ones, row by row."""

# ruff: noqa: S608 - statements are put together from names of our own tables and columns only

from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.tables import READ_MODELS, words

SCHEMA: Final = "catalog_rebuild"
"""The schema of the rebuilt tables."""

_LISTED_ROWS: Final = 20


class Difference(msgspec.Struct, frozen=True):
    """A row that is only in the ``live`` or only in the ``rebuilt`` table."""

    table: str
    key: str
    only_in: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a rebuild up to position ``events``: per table, the number and checksum of rebuilt
    rows and the number of differing ones; ``differences`` lists the first of these.

    ``swapped``: the rebuilt tables are the live ones now.
    """

    events: int
    rows: dict[str, int] = {}
    checksums: dict[str, str] = {}
    differing: dict[str, int] = {}
    differences: list[Difference] = []
    swapped: bool


async def compare_tables(connection: AsyncConnection, events: int, *, swapped: bool) -> Report:
    """Count and checksum the rebuilt rows; list rows that only one of the two schemas has."""
    rows: dict[str, int] = {}
    checksums: dict[str, str] = {}
    differing: dict[str, int] = {}
    differences: list[Difference] = []
    for table in READ_MODELS:
        # SQLAlchemy's names are of a type that JSON cannot encode.
        name = str(table.name)
        live, rebuilt = table.fullname, f"{SCHEMA}.{name}"
        # Which fold has made a word is no content.
        columns = ", ".join(c.name for c in table.columns if c is not words.c.fold)
        key = list(table.primary_key) or list(table.columns)
        keys = " || ' ' || ".join(f"{column.name}::text" for column in key)
        # A sum of row hashes needs neither a sort nor memory.
        summed = await connection.execute(
            text(
                "select count(*) as rows,"
                " coalesce(sum(hashtextextended(r::text, 0)::numeric), 0)::text as checksum"
                f" from (select {columns} from {rebuilt}) as r"
            )
        )
        total = summed.mappings().one()
        rows[name], checksums[name] = total["rows"], total["checksum"]
        found = await connection.execute(
            text(
                f"with gone as (select {columns} from {live} except all"
                f" select {columns} from {rebuilt}),"
                f" new as (select {columns} from {rebuilt} except all"
                f" select {columns} from {live}),"
                f" both_ as (select {keys} as key, 'live' as place from gone"
                f" union all select {keys}, 'rebuilt' from new)"
                " select key, place, count(*) over () as total from both_"
                " order by key, place limit :listed"
            ),
            {"listed": _LISTED_ROWS},
        )
        named = found.mappings().all()
        differing[name] = named[0]["total"] if named else 0
        differences += [Difference(name, row["key"], row["place"]) for row in named]
    return Report(
        events=events,
        rows=rows,
        checksums=checksums,
        differing=differing,
        differences=differences,
        swapped=swapped,
    )
