"""Full-text search with ranking, and correction of misspelt words."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Text, bindparam, case, cast, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL, TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.catalog.queries.views import Row, select_videos
from services.catalog.read_model.text_analysis import Query, allowed_typos, edit_distance, tolerant
from services.catalog.tables import videos

ENOUGH: Final = 10
"""With this many exact hits or more, other spellings are not searched."""

# Below the default 0.3: one wrong letter in the middle of a short word leaves few common trigrams.
# ``edit_distance`` then rejects false candidates.
_SIMILARITY: Final = 0.2
_CANDIDATES: Final = 50
_ALTERNATIVES: Final = 5
# Weights of hits by field: D description, C (unused), B tags, A title.
_WEIGHTS: Final = "{0.1, 0.2, 0.5, 1.0}"


class Found:
    """One page of results, and the total number of results."""

    def __init__(self, rows: Sequence[Row], total: int) -> None:
        self.rows = rows
        self.total = total


class Search:
    """Finds listed videos."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, query: Query, offset: int, limit: int) -> Found:
        """Exact hits first, then by rank, views and age.

        With fewer than ``ENOUGH`` exact hits, other spellings of the words are searched too.
        """
        async with self._engine.connect() as connection:
            total = await self._count(connection, query.strict)
            accepted = query.strict
            if total < ENOUGH and query.words:
                accepted = tolerant(query, await self._near(connection, query.words))
                if accepted != query.strict:
                    total = await self._count(connection, accepted)
            if not total:
                return Found([], 0)
            return Found(await self._page(connection, query.strict, accepted, offset, limit), total)

    async def _count(self, connection: AsyncConnection, tsquery: str) -> int:
        statement = (
            select(func.count())
            .select_from(videos)
            .where(videos.c.listed, videos.c.search.op("@@")(_tsquery(tsquery)))
        )
        return (await connection.execute(statement)).scalar_one()

    async def _page(
        self, connection: AsyncConnection, strict: str, accepted: str, offset: int, limit: int
    ) -> Sequence[Row]:
        wanted = _tsquery(accepted)
        exact = case((videos.c.search.op("@@")(_tsquery(strict)), 1), else_=0)
        weights = literal_column(f"'{_WEIGHTS}'::real[]", ARRAY(REAL))
        # 1: a hit in a long text counts less than one in a short text.
        rank = func.ts_rank_cd(weights, videos.c.search, wanted, 1)
        # Rank ids alone; usernames and pending views are read for the page's rows only.
        ranked = (
            select(videos.c.id, exact.label("exact"), rank.label("rank"), videos.c.views)
            .where(videos.c.listed, videos.c.search.op("@@")(wanted))
            .order_by(
                literal_column("exact").desc(),
                literal_column("rank").desc(),
                videos.c.views.desc(),
                videos.c.id.desc(),
            )
            .limit(limit)
            .offset(offset)
            .subquery("ranked")
        )
        statement = (
            select_videos()
            .join(ranked, ranked.c.id == videos.c.id)
            .order_by(
                ranked.c.exact.desc(),
                ranked.c.rank.desc(),
                ranked.c.views.desc(),
                ranked.c.id.desc(),
            )
        )
        return (await connection.execute(statement)).mappings().all()

    async def _near(
        self, connection: AsyncConnection, words: Sequence[str]
    ) -> dict[str, list[str]]:
        """For each word, known words within its allowed edit distance."""
        # The setting ends with this transaction, so the pool's connection does not keep it.
        await connection.execute(
            select(func.set_config("pg_trgm.similarity_threshold", str(_SIMILARITY), True))
        )
        statement = text(
            """
            select asked.word as asked, known.word as known from unnest(:words) as asked(word)
            cross join lateral (
                select w.word from catalog.words w where w.word % asked.word
                order by similarity(w.word, asked.word) desc, w.word limit :candidates
            ) as known
            """
        ).bindparams(bindparam("words", type_=ARRAY(Text)))
        found = await connection.execute(
            statement, {"words": list(words), "candidates": _CANDIDATES}
        )
        near: dict[str, list[tuple[int, str]]] = {}
        for row in found.mappings():
            word, known = row["asked"], row["known"]
            limit = allowed_typos(word)
            mistakes = edit_distance(word, known, limit)
            if 0 < mistakes <= limit:
                near.setdefault(word, []).append((mistakes, known))
        return {
            word: [known for _, known in sorted(found)[:_ALTERNATIVES]]
            for word, found in near.items()
        }


def _tsquery(value: str) -> Any:
    return cast(value, TSQUERY)
