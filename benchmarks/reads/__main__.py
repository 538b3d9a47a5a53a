"""``python -m benchmarks.reads``: what a read costs; see README.md."""

import asyncio
import os
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.reads.catalog import CatalogProcess, Cost, catalog
from benchmarks.reads.library import fill, id_of
from benchmarks.reads.measuring import API, parts, say
from tests.support.databases import copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT, real_parts

VIDEOS: Final = 1000
ROUNDS: Final = 7
REQUESTS: Final = 60
KINDS: Final[Mapping[str, str]] = {
    "latest": f"{API}/streaming/latest",
    "a video": f"{API}/streaming/id/{id_of('video', 7)}",
    "search": f"{API}/streaming/search?q=word7",
    "tags": f"{API}/tags",
    "a tag's videos": f"{API}/tags/tag7/videos",
    "a channel": f"{API}/users/{id_of('user', 1)}/videos",
    "a user": f"{API}/users/id/{id_of('user', 1)}",
    "my job": f"{API}/jobs/{id_of('video', 7)}",
    "media access": f"/internal/media/{id_of('video', 7)}",
}


def main() -> None:
    """Ask this checkout, and in turns the one in ``AGAINST``, if it is set; print a table."""
    roots = [ROOT, *([Path(os.environ["AGAINST"])] if os.environ.get("AGAINST") else [])]
    with ExitStack() as stack:
        urls = stack.enter_context(real_parts())
        template = migrated_template(urls.postgres)
        database = stack.enter_context(copy_of(urls.postgres, template))
        asyncio.run(fill(database, VIDEOS))
        owner = id_of("user", 7 % (VIDEOS // 20) + 1)
        catalogs = [stack.enter_context(catalog(root, database, owner)) for root in roots]
        say("", *(("this", "other") if len(catalogs) > 1 else ("this",)))
        for kind, path in KINDS.items():
            say(kind, *(shown(cost) for cost in costs(catalogs, path)))


def costs(catalogs: list[CatalogProcess], path: str) -> list[Cost]:
    """The median cost of one request to each, asked in turns."""
    found: dict[CatalogProcess, list[Cost]] = {each: [] for each in catalogs}
    for number in range(ROUNDS + 1):
        for each in catalogs:
            headers = {"authorization": f"Bearer {each.token}"} if "/jobs/" in path else {}
            cost = each.cost(path, headers, times=REQUESTS)
            # The first round opens connections and prepares statements.
            if number:
                found[each].append(cost)
    return [
        Cost(*(statistics.median(values) for values in zip(*map(parts, costs), strict=True)))
        for costs in found.values()
    ]


def shown(cost: Cost) -> str:
    """CPU of the process, of the database and of both; the time until the answer."""
    return f"{cost.process:.0f} + {cost.database:.0f} = {cost.cpu:.0f} µs, {cost.answered:.0f} µs"


if __name__ == "__main__":
    end_on_signals()
    main()
