"""Full-text search with ranking, and correction of misspelt words."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.catalog.queries.lists import OWNER, VIDEO, Row
from services.catalog.queries.search_turns import SearchTurns
from services.catalog.queries.totals import EXACT, Total, Totals
from services.catalog.read_model.text_analysis import Query, allowed_typos, edit_distance, tolerant
from shared.database.reads import Reads
from shared.http.paging import MAX_OFFSET, MAX_SIZE, PageTooDeep

ENOUGH: Final = 10
"""With this many exact hits or more, other spellings are not searched."""

SESSION: Final = {
    # Below the default 0.3: one wrong letter in the middle of a short word leaves few common
    # trigrams. ``edit_distance`` then rejects false candidates.
    "pg_trgm.similarity_threshold": "0.2",
    # How many videos have a word, and with that how to find them, differs from word to word.
    "plan_cache_mode": "force_custom_plan",
}
"""Settings of the sessions that search."""

RANKED: Final = MAX_OFFSET + MAX_SIZE
"""Of the exact hits, and of the others, so many are ranked: the newest ones. A rank is computed
from all words of a video, so a word that every video has would cost more with each of them."""

_CANDIDATES: Final = 50
_ALTERNATIVES: Final = 5
# Weights of hits by field: D description, C (unused), B tags, A title.
_WEIGHTS: Final = "{0.1, 0.2, 0.5, 1.0}"

# Rank ids alone; usernames and pending views are read for the page's rows only. The last 1: a hit
# in a long text counts less than one in a short text.
_PAGE: Final = f"""
with hits as (
    select count(*) as total from (
        select from catalog.videos where listed and search @@ $2::tsquery limit {EXACT + 1}
    ) capped
), exact as (
    select id, views, search, 1 as exact
    from catalog.videos where listed and search @@ $1::tsquery
    order by created_at desc, id desc limit {RANKED}
), near as (
    select id, views, search, 0 as exact
    from catalog.videos
    where $1::tsquery <> $2::tsquery
      and listed and search @@ $2::tsquery and not search @@ $1::tsquery
    order by created_at desc, id desc limit {RANKED}
), ranked as (
    select id, views, exact,
           ts_rank_cd('{_WEIGHTS}'::real[], search, $2::tsquery, 1) as rank
    from (select * from exact union all select * from near) found
    order by exact desc, rank desc, views desc, id desc limit $3 offset $4
)
select hits.total, shown.*
from hits left join (
    select {VIDEO}, ranked.exact, ranked.rank
    from ranked join catalog.videos v on v.id = ranked.id {OWNER}
) shown on true
order by shown.exact desc, shown.rank desc, shown.views desc, shown.id desc
"""  # noqa: S608 - our own text

_HITS: Final = "catalog.videos where listed and search @@ $1::tsquery"

_NEAR: Final = """
select asked.word as asked, known.word as known from unnest($1::text[]) as asked(word)
cross join lateral (
    select w.word from catalog.words w where w.word % asked.word
    order by similarity(w.word, asked.word) desc, w.word limit $2
) as known
"""


class Found(msgspec.Struct, frozen=True):
    """One page of results, and the total number of results."""

    rows: Sequence[Row]
    total: Total


class Search:
    """Finds listed videos. ``reads`` has sessions with the settings ``SESSION``, and so many
    connections as searches may be under way."""

    def __init__(self, reads: Reads) -> None:
        self._turns = SearchTurns()
        self._reads = reads
        self._totals = Totals(reads)

    async def find(self, query: Query, offset: int, limit: int, *, by: str) -> Found:
        """Exact hits first, then by rank, views and age. ``by``: whose turn it takes.

        With fewer than ``ENOUGH`` exact hits, other spellings of the words are searched too.
        Raises PageTooDeep, and what ``SearchTurns`` raises.
        """
        async with self._turns.turn(by):
            return await self._find(query, offset, limit)

    async def _find(self, query: Query, offset: int, limit: int) -> Found:
        found = await self._page(query.strict, query.strict, offset, limit)
        if found.total.rows >= ENOUGH or not query.words:
            return found
        accepted = tolerant(query, await self._near(query.words))
        if accepted == query.strict:
            return found
        return await self._page(query.strict, accepted, offset, limit)

    async def _page(self, strict: str, accepted: str, offset: int, limit: int) -> Found:
        first = min(offset, MAX_OFFSET)
        rows = await self._reads.rows(_PAGE, strict, accepted, limit, first)
        found = [row for row in rows if row["id"] is not None]
        if offset > MAX_OFFSET and found:
            raise PageTooDeep(f"A search shows its first {MAX_OFFSET} videos.")
        shown = offset + len(found) if found else 0
        total = await self._totals.of(rows[0]["total"], _HITS, [accepted], shown=shown)
        return Found(found, total)

    async def _near(self, words: Sequence[str]) -> dict[str, list[str]]:
        """For each word, known words within its allowed edit distance."""
        near: dict[str, list[tuple[int, str]]] = {}
        for row in await self._reads.rows(_NEAR, list(words), _CANDIDATES):
            word, known = row["asked"], row["known"]
            limit = allowed_typos(word)
            mistakes = edit_distance(word, known, limit)
            if 0 < mistakes <= limit:
                near.setdefault(word, []).append((mistakes, known))
        return {
            word: [known for _, known in sorted(found)[:_ALTERNATIVES]]
            for word, found in near.items()
        }
