"""``python -m benchmarks.live [SECTION]…``: one table; see README.md."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.live import costs, delays
from benchmarks.live.stage import Effort, Stage, stage
from benchmarks.live.table import Row, say, table
from tests.support.ending import end_on_signals

SECTIONS: Final[dict[str, Callable[[Stage, Effort], list[Row]]]] = {
    "glass": delays.glass,
    "stalls": delays.stalls,
    "start": delays.start,
    "cpu": costs.cpu,
    "viewers": costs.viewers,
    "takeover": delays.takeover,
    "end": delays.end,
}


def main(arguments: Sequence[str]) -> None:
    """Run the sections that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=10, help="of switches")
    parser.add_argument("--rounds", type=int, default=5, help="of what has one result")
    found = parser.parse_args(arguments)
    wanted = found.sections or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    effort = Effort(found.seconds, found.minutes, found.rounds)
    rows: list[Row] = []
    for name in wanted:
        began = time.monotonic()
        # Each has a stack of its own: none inherits what another has left to do.
        with stage() as running:
            ready = time.monotonic()
            rows += SECTIONS[name](running, effort)
        say(f"{name}: {time.monotonic() - began:.0f} s, {ready - began:.0f} s of it to start")
    say(f"\n{table(rows)}")


if __name__ == "__main__":
    end_on_signals()
    main(sys.argv[1:])
