"""What was measured, beside what is wanted."""

import statistics
import sys
from collections.abc import Sequence

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One line of the table. ``least``, ``reach``: what is wanted at least, and at best."""

    what: str
    seen: str
    least: str = ""
    reach: str = ""


def table(rows: Sequence[Row]) -> str:
    """All rows, as Markdown."""
    lines = ["| What | Measured | At least | Reach for |", "| --- | --- | --- | --- |"]
    lines += (f"| {row.what} | {row.seen} | {row.least} | {row.reach} |" for row in rows)
    return "\n".join(lines)


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """The median, and the least and the most."""
    if not values:
        return "nothing"
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f} … {most:.{digits}f}) {unit}"


def percentiles(values: Sequence[float]) -> str:
    """The median and the 95th percentile, in seconds."""
    if len(values) < 2:
        return "nothing"
    late = statistics.quantiles(values, n=20)[-1]
    return f"{statistics.median(values):.2f} s (p95 {late:.2f} s)"


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
