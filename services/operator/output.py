"""The output of commands: tables and bars for people, or JSON for programs (``--json``)."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


class Output:
    """Results go to standard output, everything else to standard error."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._console = Console(highlight=False, soft_wrap=True)
        self._aside = Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, value: Any, people: str | None = None) -> None:
        """One result. ``people``: how to say it to a person; without it, as indented JSON."""
        encoded = msgspec.json.encode(value)
        if self.json:
            self._write(encoded)
        elif people is not None:
            self._console.print(Text(people))
        else:
            self._write(msgspec.json.format(encoded))

    def rows(self, rows: Sequence[Any], columns: Sequence[str], empty: str) -> None:
        """Results of one type, structs or dicts, as a table or a JSON array."""
        plain: list[dict[str, Any]] = msgspec.to_builtins(list(rows))
        if self.json:
            self._write(msgspec.json.encode(plain))
            return
        if not plain:
            self._console.print(empty)
            return
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in plain:
            table.add_row(*(Text(_cell(row.get(column))) for column in columns))
        self._console.print(table)

    def line(self, value: Any, people: str) -> None:
        """One of many results that come one by one: a line of JSON, or of text."""
        if self.json:
            self._write(msgspec.json.encode(value))
        else:
            self._console.print(Text(people))

    def say(self, text: str) -> None:
        """A message beside the result, on standard error."""
        self._aside.print(Text(text))

    @contextmanager
    def progress(self, what: str) -> Generator[Callable[[int, int], None]]:
        """A bar on standard error, if that is a terminal; call it with how far of how much."""
        with Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._aside,
            disable=not self._aside.is_terminal,
        ) as bar:
            task = bar.add_task(what, total=None)
            yield lambda at, of: bar.update(task, completed=at, total=of)

    def _write(self, data: bytes) -> None:
        sys.stdout.write(f"{data.decode()}\n")
        sys.stdout.flush()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
