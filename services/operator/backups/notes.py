"""What is known of millions of objects at once: in a temporary file, not in memory."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import msgspec

from services.operator.backups.sealing import sealed_size
from services.operator.backups.sets import Item
from services.operator.backups.targets import Stored
from shared.blobs.store import BlobInfo

_TABLES = """
pragma journal_mode = off;
pragma synchronous = off;
create table stored (name text primary key, size integer) without rowid;
create table items (name text primary key, size integer, item blob) without rowid;
create table archive (key text primary key, item blob) without rowid;
create table there (key text primary key, size integer, seen integer) without rowid;
"""


class Notes:
    """Files that the target has, items of backups, and objects that a bucket has."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def taken(cls) -> Iterator[Self]:
        """Empty ones, gone at the end."""
        with (
            tempfile.TemporaryDirectory(prefix="cinelog-backup-") as folder,
            closing(sqlite3.connect(Path(folder, "notes"))) as database,
        ):
            database.executescript(_TABLES)
            yield cls(database)

    def add_stored(self, files: Iterable[Stored]) -> None:
        """Files of the target."""
        rows = ((file.name, file.size) for file in files)
        self._database.executemany("insert or replace into stored values (?, ?)", rows)

    def add_items(self, items: Iterable[Item]) -> None:
        """What backups refer to."""
        rows = ((item.name, sealed_size(item.size), msgspec.json.encode(item)) for item in items)
        self._database.executemany("insert or replace into items values (?, ?, ?)", rows)

    def find(self, name: str) -> Item | None:
        """The item of an object that an earlier backup refers to and the target still has."""
        row = self._database.execute(
            "select item from items join stored using (name, size) where name = ?", (name,)
        ).fetchone()
        return row and msgspec.json.decode(row[0], type=Item)

    def lost(self) -> list[str]:
        """Some names of items that the target does not have, or not whole."""
        rows = self._database.execute(
            "select name from items left join stored using (name, size)"
            " where stored.name is null limit 20"
        )
        return [row[0] for row in rows]

    def unused(self) -> Iterator[str]:
        """Names of files that no item refers to."""
        rows = self._database.execute(
            "select name from stored where name not in (select name from items)"
        )
        return (row[0] for row in rows)

    def items(self) -> Iterator[Item]:
        """All of them."""
        rows = self._database.execute("select item from items")
        return (msgspec.json.decode(row[0], type=Item) for row in rows)

    def sample(self, most: int) -> list[Item]:
        """Some items by chance."""
        rows = self._database.execute("select item from items order by random() limit ?", (most,))
        return [msgspec.json.decode(row[0], type=Item) for row in rows]

    def add_archive(self, items: Iterable[Item]) -> None:
        """Objects of the log's archive."""
        rows = ((item.key, msgspec.json.encode(item)) for item in items)
        self._database.executemany("insert or replace into archive values (?, ?)", rows)

    def archived(self, key: str) -> Item | None:
        """An object of the log's archive."""
        rows = self._database.execute("select item from archive where key = ?", (key,))
        row = rows.fetchone()
        return row and msgspec.json.decode(row[0], type=Item)

    def archived_after(self, prefix: str, after: str) -> Iterator[Item]:
        """Those whose key begins with ``prefix`` and sorts after ``after``, in order."""
        rows = self._database.execute(
            "select item from archive where key > ? and substr(key, 1, ?) = ? order by key",
            (after, len(prefix), prefix),
        )
        return (msgspec.json.decode(row[0], type=Item) for row in rows)

    def clear_there(self) -> None:
        """Forget the last bucket's objects."""
        self._database.execute("delete from there")

    def add_there(self, objects: Iterable[BlobInfo]) -> None:
        """Objects that a bucket has."""
        rows = ((blob.key, blob.size) for blob in objects)
        self._database.executemany("insert or replace into there values (?, ?, 0)", rows)

    def is_there(self, key: str, size: int) -> bool:
        """Whether the bucket has an object of this size."""
        seen = self._database.execute(
            "update there set seen = 1 where key = ? and size = ?", (key, size)
        ).rowcount
        return seen > 0

    def has_key(self, key: str) -> bool:
        """Whether the bucket had an object of this key, of whatever size."""
        return (
            self._database.execute("select 1 from there where key = ?", (key,)).fetchone()
            is not None
        )

    def strangers(self) -> list[str]:
        """Some keys of the bucket's objects that were not asked for."""
        rows = self._database.execute("select key from there where seen = 0 limit 5")
        return [row[0] for row in rows]
