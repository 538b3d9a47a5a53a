"""``python -m benchmarks.reads.scale``: how the cost of reads grows; see README.md."""

import asyncio
import os
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from benchmarks.reads.catalog import CatalogProcess, Cost, catalog
from benchmarks.reads.library import fill, id_of
from benchmarks.reads.measuring import API, parts, say
from tests.support.databases import Database, copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT, real_parts

FEW: Final = 1000
MANY: Final = int(os.environ.get("VIDEOS", "100000"))
ROUNDS: Final = 3
REQUESTS: Final = 20
# Of many and of few there is the same to find.
KINDS: Final[Mapping[str, str]] = {
    "latest": f"{API}/streaming/latest",
    "page 90": f"{API}/streaming/latest?page=90",
    "page 1000": f"{API}/streaming/latest?page=1000",
    "a video": f"{API}/streaming/id/{id_of('video', 7)}",
    "tags": f"{API}/tags",
    "a tag's videos": f"{API}/tags/all/videos",
    "a channel": f"{API}/users/{id_of('user', 1)}/videos",
    "a long channel": f"{API}/users/{id_of('user', 0)}/videos",
}


def main() -> None:
    """Ask a small catalog and a large one in turns; print what many cost ÷ few."""
    with ExitStack() as stack:
        urls = stack.enter_context(real_parts())
        template = migrated_template(urls.postgres)
        databases: dict[int, Database] = {}
        for videos in (FEW, MANY):
            databases[videos] = stack.enter_context(copy_of(urls.postgres, template))
            asyncio.run(fill(databases[videos], videos))
        few, many = (
            stack.enter_context(catalog(ROOT, database, id_of("user", 1)))
            for database in databases.values()
        )
        say("", f"{FEW} videos", f"{MANY} videos", "many ÷ few")
        for kind, path in KINDS.items():
            small, large = (median(each, path) for each in (few, many))
            say(kind, shown(small), shown(large), f"{large.cpu / small.cpu:.2f}")


def median(catalog: CatalogProcess, path: str) -> Cost:
    """The median cost of a request, after a round that opens connections."""
    found = [catalog.cost(path, {}, times=REQUESTS) for _ in range(ROUNDS + 1)][1:]
    return Cost(*(statistics.median(values) for values in zip(*map(parts, found), strict=True)))


def shown(cost: Cost) -> str:
    """CPU of the process and of the database."""
    return f"{cost.process:.0f} + {cost.database:.0f} µs"


if __name__ == "__main__":
    end_on_signals()
    main()
