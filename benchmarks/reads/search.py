"""``python -m benchmarks.reads.search``: what searches find and cost; see README.md."""

import asyncio
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import asyncpg
import msgspec

from benchmarks.reads.catalog import catalog
from benchmarks.reads.labelled import fill, made_words, queries
from benchmarks.reads.measuring import API, say
from benchmarks.reads.scale import median, shown
from services.catalog.queries.search import ENOUGH, SESSION, Search
from services.catalog.queries.search_turns import AT_ONCE
from services.catalog.read_model.text_analysis import Query, parse_query, tolerant
from shared.database.reads import Reads, create_read_pool
from tests.support.databases import Database, copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT, real_parts

FEW: Final = 1000
MANY: Final = int(os.environ.get("VIDEOS", "300000"))
QUERIES: Final = 200
SHOWN: Final = 20
NEWEST: Final = 10_050
"""So many of the newest hits were ranked before."""

# A word is the less frequent, the later it comes.
_WORDS: Final = made_words()
KINDS: Final[Mapping[str, str]] = {
    "one in two": "the",
    "one in ten": f"{_WORDS[20]}",
    "one in a hundred": f"{_WORDS[150]}",
    "rare": f"{_WORDS[5000]}",
    "absent": "xyxyxyx",
    "two frequent": f"{_WORDS[20]} {_WORDS[25]}",
    "frequent, rare": f"{_WORDS[20]} {_WORDS[5000]}",
    "two rare": f"{_WORDS[4000]} {_WORDS[5000]}",
    "frequent, begun": f"{_WORDS[20]} {_WORDS[150][:2]}",
    "one letter": "t",
    "one, rare": "x",
    "two letters": "de",
    "three letters": _WORDS[150][:3],
    "four letters": _WORDS[300][:4],
    "misspelt": f"{_WORDS[150][:-1]}x",
}

# Every hit, ranked; or the newest ones.
_RANKED: Final = """
select id, rank from (
    select id, views, search @@ $1::tsquery as exact,
           ts_rank_cd('{0.1, 0.2, 0.5, 1.0}'::real[], search, $2::tsquery, 1) as rank
    from catalog.videos where listed and search @@ $2::tsquery
    order by created_at desc limit $3
) found
order by exact desc, rank desc, views desc, id desc limit $4
"""


class Page(msgspec.Struct, frozen=True):
    """The first videos of a search, and how relevant each is: its rank."""

    ids: Sequence[str]
    ranks: Sequence[float]


async def ideal(
    search: Search, owner: "asyncpg.Connection[asyncpg.Record]", query: Query, newest: int | None
) -> Page:
    """The first videos, if every hit is ranked, or the ``newest`` of them."""
    near: dict[str, list[str]] = {}
    hits = "select count(*) from catalog.videos where listed and search @@ $1::tsquery"
    if await owner.fetchval(hits, query.strict) < ENOUGH:
        near = await search.spellings(query)
    rows = await owner.fetch(_RANKED, query.strict, tolerant(query, near), newest, SHOWN)
    return Page([row["id"] for row in rows], [row["rank"] for row in rows])


def gain(relevant: Sequence[float]) -> float:
    """The discounted cumulative gain of these relevances, by place."""
    return sum(each / math.log2(place + 2) for place, each in enumerate(relevant))


class Quality(msgspec.Struct, frozen=True):
    """Of a page, its gain ÷ that of the ideal one. ``by_rank``: a video is as relevant as its rank;
    ``by_place``: the first twenty of all hits are worth 20, 19, 18 and so on, all others nothing,
    although their ranks may be the same."""

    by_rank: float
    by_place: float


def quality(page: Page, best: Page) -> Quality:
    """How near a page comes to the best one."""
    if not best.ids:
        return Quality(1.0, 1.0)
    worth = {id_: SHOWN - place for place, id_ in enumerate(best.ids)}
    places = gain([worth.get(id_, 0) for id_ in page.ids]) / gain(list(worth.values()))
    return Quality(gain(page.ranks) / gain(best.ranks), places)


async def qualities(database: Database, asked: Sequence[str]) -> Sequence[tuple[Quality, Quality]]:
    """The quality of each query's page, and of ranking the newest hits alone."""
    pool = await create_read_pool(database.url("catalog"), size=AT_ONCE, session=SESSION)
    owner = await asyncpg.connect(database.admin_url)
    search = Search(Reads(pool))
    measured: list[tuple[Quality, Quality]] = []
    for query in filter(None, map(parse_query, asked)):
        best = await ideal(search, owner, query, None)
        before = await ideal(search, owner, query, NEWEST)
        rows = (await search.find(query, 0, SHOWN, by="us")).rows
        now = Page([row["id"] for row in rows], [row["rank"] for row in rows])
        measured.append((quality(now, best), quality(before, best)))
    await owner.close()
    await pool.close()
    return measured


def main() -> None:
    """Ask a small catalog and a large one in turns; then compare with all hits ranked."""
    with ExitStack() as stack:
        urls = stack.enter_context(real_parts())
        template = migrated_template(urls.postgres)
        databases = [stack.enter_context(copy_of(urls.postgres, template)) for _ in range(2)]
        for database, videos in zip(databases, (FEW, MANY), strict=True):
            asyncio.run(fill(database, videos))
        few, many = (stack.enter_context(catalog(ROOT, each, "ann")) for each in databases)
        say("", f"{FEW} videos", f"{MANY} videos", "many ÷ few")
        for kind, words in KINDS.items():
            path = f"{API}/streaming/search?page_size={SHOWN}&q={words.replace(' ', '+')}"
            small, large = (median(each, path) for each in (few, many))
            say(kind, shown(small), shown(large), f"{large.cpu / small.cpu:.2f}")
        measured = asyncio.run(qualities(databases[1], queries(QUERIES)))
        for name, pages in zip(
            ("now", f"newest {NEWEST}"), zip(*measured, strict=True), strict=True
        ):
            by_rank = statistics.mean(each.by_rank for each in pages)
            by_place = statistics.mean(each.by_place for each in pages)
            say(name, f"nDCG@20 {by_rank:.4f}, by place {by_place:.4f}")


if __name__ == "__main__":
    end_on_signals()
    main()
