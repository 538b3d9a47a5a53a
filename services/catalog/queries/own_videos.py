"""A person's own videos, all of them: sorted, filtered, searched.

What a page costs grows with what its owner has, and with nobody else's: every statement begins at
the owner's part of ``ix_videos_channel``. No other order has an index. Views change all the time,
and an index of them would be written with every batch; so the page's rows are sorted out of the
owner's.
"""

# ruff: noqa: S608 - the only text put into a statement is our own

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from services.catalog.queries.lists import OWNER, VIDEO, Row
from services.catalog.queries.totals import EXACT, Total, Totals
from services.catalog.rows import VideoStatus
from shared.contracts import Visibility
from shared.database.reads import Reads
from shared.http.paging import MAX_OFFSET, MAX_SIZE, PageTooDeep

Sort = Literal["newest", "oldest", "title", "longest", "views"]

_ORDERS: Final[Mapping[Sort, str]] = {
    "newest": "created_at desc, id desc",
    "oldest": "created_at, id",
    "title": "lower(title), id",
    "longest": "duration_ms desc nulls last, id desc",
    "views": "views desc, id desc",
}

_OWN: Final = """catalog.videos where user_id = $1 and delete_at is null
    and ($2::text is null or status = $2) and ($3::text is null or visibility = $3)
    and ($4::tsquery is null or search @@ $4)"""


def _page(order: str) -> str:
    return f"""
    select counted.total, shown.*
    from (select count(*) as total from (select from {_OWN} limit {EXACT + 1}) capped) counted
    left join (
        select {VIDEO} from (
            select id from {_OWN} order by {order} limit {MAX_SIZE + 1} offset $6
        ) page join catalog.videos v on v.id = page.id {OWNER}
    ) shown on true
    order by {order} limit $5
    """


_BINNED: Final = "catalog.videos where user_id = $1 and delete_at is not null"
_BIN: Final = f"""
select counted.total, shown.*
from (select count(*) as total from (select from {_BINNED} limit {EXACT + 1}) capped) counted
left join (
    select id, title, duration_ms, delete_at from {_BINNED}
    order by delete_at desc, id desc limit $2 offset $3
) shown on true
order by delete_at desc, id desc
"""

_PAGES: Final = {sort: _page(order) for sort, order in _ORDERS.items()}


class Wanted(msgspec.Struct, frozen=True):
    """Which videos: None leaves a filter out. ``words`` is a tsquery."""

    sort: Sort = "newest"
    status: VideoStatus | None = None
    visibility: Visibility | None = None
    words: str | None = None


class Own(msgspec.Struct, frozen=True):
    """A page of somebody's videos. ``after``: the offset of the next one."""

    rows: Sequence[Row]
    total: Total
    after: int | None


class OwnVideos:
    """The queries on one database."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._totals = Totals(reads)

    async def page(self, user_id: str, wanted: Wanted, offset: int, size: int) -> Own:
        """The ``size`` videos behind ``offset``. Raises PageTooDeep."""
        values = (user_id, wanted.status, wanted.visibility, wanted.words)
        return await self._page(_PAGES[wanted.sort], _OWN, values, offset, size)

    async def bin(self, user_id: str, offset: int, size: int) -> Own:
        """What is in the bin, the latest first. Raises PageTooDeep."""
        return await self._page(_BIN, _BINNED, (user_id,), offset, size)

    async def _page(
        self, statement: str, source: str, values: Sequence[str | None], offset: int, size: int
    ) -> Own:
        first = min(offset, MAX_OFFSET)
        # One row more than a page has: if it is there, a next page exists.
        rows = await self._reads.rows(statement, *values, size + 1, first)
        found = [row for row in rows if row["id"] is not None]
        if found and offset > MAX_OFFSET:
            raise PageTooDeep(f"Only {MAX_OFFSET} videos are reached. Filter or search them.")
        shown = first + len(found) if found else 0
        total = await self._totals.of(rows[0]["total"], source, values, shown=shown)
        after = offset + size
        more = len(found) > size and after <= MAX_OFFSET
        return Own(found[:size], total, after if more else None)
