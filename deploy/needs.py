"""The table of what each process needs, read from the chart's files/processes.yaml.

``make up`` derives its environments from it, as the chart does from the same file.
"""

import functools
from pathlib import Path
from typing import Final

import msgspec
import yaml
from msgspec import Struct

FILE: Final = Path(__file__).parent / "helm" / "cinelog" / "files" / "processes.yaml"


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """Variables that are always given, options that an operator may set, and what is reached."""

    variables: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()


class Needs(Given, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A process's or a tool's; the comments of the file say what each field means."""

    settings: str = ""
    command: tuple[str, ...] = ()
    image: str = ""
    role: str = ""
    schemas: tuple[str, ...] = ()
    archive: Given = Given()

    def given(self, *, archived: bool) -> tuple[str, ...]:
        """The variables that are always given, where the log is archived or not."""
        return self.variables + (self.archive.variables if archived else ())

    def optional(self, *, archived: bool) -> tuple[str, ...]:
        """The variables that an operator may set, where the log is archived or not."""
        return self.options + (self.archive.options if archived else ())

    def reached(self, *, archived: bool) -> tuple[str, ...]:
        """What it connects to, where the log is archived or not."""
        return self.reaches + (self.archive.reaches if archived else ())


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    every: Given
    secrets: dict[str, str]
    processes: dict[str, Needs]
    companions: dict[str, Needs]
    tools: dict[str, Needs]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that log in to the database."""
        everybody = (*self.processes.values(), *self.tools.values())
        return tuple(sorted({needs.role for needs in everybody if needs.role}))

    @property
    def options(self) -> frozenset[str]:
        """Every variable that an operator may set."""
        everybody = (*self.processes.values(), *self.tools.values(), self.every)
        found = {option for given in everybody for option in given.options}
        for needs in self.processes.values():
            found |= {*needs.optional(archived=True)}
        return frozenset(found)


@functools.cache
def table() -> Table:
    """Raises msgspec.ValidationError where the file has what no reader knows."""
    return msgspec.convert(yaml.safe_load(FILE.read_text()), Table)
