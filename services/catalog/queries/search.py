"""Full-text search with ranking, and correction of misspelt words.

What a search costs does not grow with the number of videos: where more have its words than can be
ranked, it ranks those for which they weigh most, as ``video_terms`` has them in order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.catalog.queries.lists import OWNER, VIDEO, Row
from services.catalog.queries.search_turns import SearchTurns
from services.catalog.queries.totals import EXACT, Total, Totals
from services.catalog.read_model.terms import LONGEST_BEGINNING, beginning
from services.catalog.read_model.text_analysis import Query, allowed_typos, edit_distance, tolerant
from shared.database.reads import Reads
from shared.http.paging import MAX_OFFSET, PageTooDeep

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

BLOCK: Final = 250
"""Where more than ``EXACT`` videos are found, they are ranked in blocks of so many, heaviest ones
first, so that each page ranks two blocks at most."""

_LISTED: Final = 3000
"""So many of the heaviest videos of each word are looked through for those with all words."""

_INTERSECTED: Final = 5000
_OF_ALL: Final = 300
_OF_RAREST: Final = 400
"""Where very many videos have all words, so many of the heaviest of each word are intersected;
ranked are the heaviest of those, and of the rarest word, whose other words may be light ones."""

_EACH: Final = 100
"""At least so many of each of the words that begin alike."""

_SURELY: Final = 5 * EXACT
"""Where so many videos are expected to have all words, they are not counted."""

_MOST_TERMS: Final = 12
"""Of queries in scripts without spaces, which have more words, so many are looked up first."""

_SPELLINGS: Final = 128
"""So many words that begin alike are looked up, the first ones by alphabet."""

_CANDIDATES: Final = 50
_ALTERNATIVES: Final = 5
# Weights of hits by field: D description, C (unused), B tags, A title.
_WEIGHTS: Final = "{0.1, 0.2, 0.5, 1.0}"
# Of all text under UTF-8 in the order of its bytes, the last that begins with some letters.
_LAST: Final = "\U0010ffff"

# Rank ids alone; usernames and pending views are read for the page's rows only. The last 1: a hit
# in a long text counts less than one in a short text.
_PAGE: Final = f"""
with recursive spelt as (
    (select term from catalog.video_terms where term >= $7 and term < $8 order by term limit 1)
    union all
    select (select t.term from catalog.video_terms t where t.term > s.term and t.term < $8
            order by t.term limit 1)
    from spelt s where s.term is not null
), spellings as materialized (
    select term from spelt where term is not null limit {_SPELLINGS}
), asked as (
    select place, term, $10::int as most
    from unnest($5::int[], $6::text[]) as asked(place, term)
    union all
    select $9::int, term, greatest({_EACH}, $10::int / (select count(*) from spellings))
    from spellings
), listed as materialized (
    select place, heaviest.* from asked cross join lateral (
        select video_id as id, score from catalog.video_terms where term = asked.term
        order by score desc, video_id desc limit asked.most
    ) heaviest
), rarest as (
    -- The heaviest videos of a rarer word are fewer, or lighter.
    select place from listed group by place order by count(*), min(score) limit 1
), ranked_here as materialized (
    select v.id, v.rank from (
        (select id from listed where $14 group by id having bit_or(1 << place) = $11
         order by sum(score) desc limit {_OF_ALL})
        union
        (select id from listed where $14 and place = (select place from rarest)
         order by score desc, id desc limit {_OF_RAREST})
    ) heaviest cross join lateral (
        select id, ts_rank_cd('{_WEIGHTS}'::real[], search, $2::tsquery, 1) as rank
        from catalog.videos where id = heaviest.id and listed and search @@ $2::tsquery offset 0
    ) v
), heavy as materialized (
    select id, sum(score)::float8 as score, bit_or(1 << place) = $11 as has_all
    from listed where not $14 group by id
    union all
    select id, rank::float8, true from ranked_here
), known as materialized (
    select count(*) as total, count(*) >= $12 and not $13 as enough from heavy where has_all
), exact as materialized (
    select id from catalog.videos
    where $1::tsquery <> $2::tsquery and listed and search @@ $1::tsquery limit {EXACT + 1}
), rest as materialized (
    select id from catalog.videos
    where not (select enough from known) and listed and search @@ $2::tsquery
    limit {EXACT + 1}
), hits as materialized (
    select case when (select enough from known) then {EXACT + 1} else count(*) end as total
    from rest
), found as (
    select id, score, has_all from heavy
    where has_all and not $13 and (select total from hits) > {EXACT}
    union all
    select id, score, has_all from rest left join heavy using (id)
    where has_all is not true or $13 or (select total from hits) <= {EXACT}
), numbered as (
    select id, place, case when place < first then 0 else first end as first from (
        select id, first, row_number() over (
            order by has_all and first > 0 desc nulls last, score desc nulls last, id desc
        ) - 1 as place
        from found cross join (
            select case when hits.total > {EXACT} and not $13 then known.total else 0 end as first
            from hits cross join known
        ) heaviest
        where id not in (select id from exact)
    ) ordered
), blocks as materialized (
    select id, first + (place - first) / {BLOCK} * {BLOCK} as block from numbered
), chosen as materialized (
    select id, -1 as block from exact
    union all
    select id, block from blocks where block + {BLOCK} > $4 - {ENOUGH} and block < $4 + $3
), ranked as (
    select v.id, v.views, chosen.block,
           ts_rank_cd('{_WEIGHTS}'::real[], v.search, $2::tsquery, 1) as rank
    from chosen cross join lateral (
        -- By its key: the row has all of the words already.
        select * from catalog.videos where id = chosen.id offset 0
    ) v
    where v.listed and v.search @@ $2::tsquery
    order by block, rank desc, views desc, id desc limit $3
    offset $4 - coalesce((select min(block) from chosen where block >= 0), 0)
)
select hits.total, shown.*
from hits left join (
    select {VIDEO}, ranked.block, ranked.rank
    from ranked join catalog.videos v on v.id = ranked.id {OWNER}
) shown on true
order by shown.block, shown.rank desc, shown.views desc, shown.id desc
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
        found = await self._page(query, {}, offset, limit)
        if found.total.rows >= ENOUGH or not query.words:
            return found
        near = await self.spellings(query)
        if tolerant(query, near) == query.strict:
            return found
        return await self._page(query, near, offset, limit)

    async def _page(
        self, query: Query, near: Mapping[str, Sequence[str]], offset: int, limit: int
    ) -> Found:
        first = min(offset, MAX_OFFSET)
        accepted = tolerant(query, near)
        deepest = first + limit + BLOCK
        enough, look = max(deepest, EXACT + 1), False
        if len(query.asked) > 1:
            expected = await self._totals.expected(_HITS, [accepted])
            look = expected > EXACT and not query.has_phrase
            if expected > _SURELY:
                enough = first + limit + ENOUGH
        terms = _terms(query, near, deepest, look)
        # That a video has all words does not say that they follow each other.
        values = (limit, first, *terms, enough, query.has_phrase, look)
        rows = await self._reads.rows(_PAGE, query.strict, accepted, *values)
        found = [row for row in rows if row["id"] is not None]
        if offset > MAX_OFFSET and found:
            raise PageTooDeep(f"A search shows its first {MAX_OFFSET} videos.")
        shown = offset + len(found) if found else 0
        total = await self._totals.estimated(rows[0]["total"], _HITS, [accepted], shown=shown)
        return Found(found, total)

    async def spellings(self, query: Query) -> dict[str, list[str]]:
        """For each word, known words within its allowed edit distance."""
        near: dict[str, list[tuple[int, str]]] = {}
        for row in await self._reads.rows(_NEAR, list(query.words), _CANDIDATES):
            word, known = row["asked"], row["known"]
            limit = allowed_typos(word)
            mistakes = edit_distance(word, known, limit)
            if 0 < mistakes <= limit:
                near.setdefault(word, []).append((mistakes, known))
        return {
            word: [known for _, known in sorted(found)[:_ALTERNATIVES]]
            for word, found in near.items()
        }


def _terms(
    query: Query, near: Mapping[str, Sequence[str]], deepest: int, look: bool
) -> tuple[Any, ...]:
    """The values of ``_PAGE`` that say where the heaviest videos are, to the ``deepest`` one.

    Numbers of words, and terms, any of which stands for its word; the letters that the last word
    begins with, what comes after all such words, and its number; how many videos of each term to
    read; the numbers of all words as bits. ``look``: at videos whose other words may be light.
    """
    asked = query.asked[:_MOST_TERMS]
    numbers: list[int] = []
    terms: list[str] = []
    begun: tuple[str | None, str | None, int] = (None, None, 0)
    for number, each in enumerate(asked):
        known = list(near.get(query.units[each.unit], ()))
        if not each.begun:
            known.append(each.word)
        elif len(each.word) <= LONGEST_BEGINNING:
            known.append(beginning(each.word))
        else:
            begun = each.word, each.word + _LAST, number
        numbers += [number] * len(known)
        terms += known
    few = max(deepest, EXACT + 1 if len(asked) == 1 else _LISTED)
    most = _INTERSECTED if look else few
    return numbers, terms, *begun, most, (1 << len(asked)) - 1
