"""What both measurements of reads share."""

import sys
from collections.abc import Mapping
from typing import Final

from benchmarks.reads.catalog import Cost
from benchmarks.reads.library import id_of

API: Final = "/api/v1"
MOST_READ: Final[Mapping[str, str]] = {
    "latest": f"{API}/streaming/latest",
    "a video": f"{API}/streaming/id/{id_of('video', 7)}",
    "search": f"{API}/streaming/search?q=word7",
}
"""What people read most, by its name in tables."""


def parts(cost: Cost) -> tuple[float, float, float]:
    """The three figures of a cost."""
    return cost.process, cost.database, cost.answered


def say(name: str, *columns: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(f"{name:16}" + "".join(f"{column:36}" for column in columns) + "\n")
    sys.stdout.flush()
