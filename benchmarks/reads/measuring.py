"""What both measurements of reads share."""

import sys
from typing import Final

from benchmarks.reads.catalog import Cost

API: Final = "/api/v1"


def parts(cost: Cost) -> tuple[float, float, float]:
    """The three figures of a cost."""
    return cost.process, cost.database, cost.answered


def say(name: str, *columns: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(f"{name:16}" + "".join(f"{column:36}" for column in columns) + "\n")
    sys.stdout.flush()
