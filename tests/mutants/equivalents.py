"""The mutations that change nothing that can be observed, each with the reason."""

import tomllib
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).parent / "equivalent.toml"


class Equivalent(msgspec.Struct, frozen=True):
    """A mutation by the lines that it changes, which stay the same when others move."""

    file: str
    before: str
    after: str
    reason: str


def load(path: Path = FILE) -> dict[tuple[str, str, str], Equivalent]:
    """All of them, by file and lines before and after."""
    entries = msgspec.convert(tomllib.loads(path.read_text()), dict[str, list[Equivalent]])
    return {(each.file, each.before, each.after): each for each in entries["equivalent"]}
