"""Search shows first what it would show if it ranked every hit."""

from benchmarks.reads.labelled import fill, queries
from benchmarks.reads.search import qualities
from tests.support.databases import Database

VIDEOS = 6000
QUERIES = 48
LEAST = 0.98


async def test_the_first_page_is_that_of_all_hits_ranked(database: Database) -> None:
    await fill(database, VIDEOS)
    asked = queries(QUERIES)
    measured = [now for now, _ in await qualities(database, asked)]
    worst = sorted(zip((each.by_place for each in measured), asked, strict=True))[:5]
    assert sum(each.by_rank for each in measured) / QUERIES >= LEAST, worst
    assert sum(each.by_place for each in measured) / QUERIES >= LEAST, worst
