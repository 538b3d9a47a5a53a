"""Pages of rows, newest first, as SQL: by page number, or after a keyset."""

# ruff: noqa: S608 - the only text put into a statement is our own

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from services.catalog.queries.totals import EXACT, Total, Totals
from services.catalog.tables import jobs, videos
from shared.database.reads import Reads, Record
from shared.http.paging import MAX_OFFSET, PageParams, PageTooDeep

Row = Record

SESSION: Final = {"enable_bitmapscan": "off"}
"""Settings of the sessions that read lists: each list has an index in its order, which is read to
the end of the page. A plan for any user may else read all rows of one, and sort them."""

_LONGEST: Final = 51
"""The rows of the longest page and the one that follows. As a number in the statement, and not a
value: a plan for any value would be one for a tenth of the table."""

_COLUMNS: Final = ", ".join(f"v.{column.name}" for column in videos.c if column.name != "search")

# Views that ``videos.views`` does not include yet. The projection deletes a batch in the
# transaction that adds it, so the sum is always exact.
_SHOWN_VIEWS: Final = """(v.views
    + coalesce((select sum(p.count) from catalog.pending_views p where p.video_id = v.id), 0)
    + coalesce((select sum(b.count) from catalog.view_batches b where b.video_id = v.id), 0)
)::bigint"""

VIDEO: Final = f"{_COLUMNS}, {_SHOWN_VIEWS} as shown_views, u.username"
"""The columns of a video ``v`` with all its views and the name of its owner ``u``."""

JOB: Final = ", ".join(f"j.{column.name}" for column in jobs.c)
"""The columns of a job ``j``."""

OWNER: Final = "left join catalog.users u on u.id = v.user_id and not u.deleted"


class Keyset(msgspec.Struct, frozen=True, array_like=True):
    """The sort key of a page's last row; the next page, sorted newest first, begins after it."""

    created_at: datetime
    id: str


class Listing(msgspec.Struct, frozen=True):
    """The rows of a page, the total number of rows, and the keyset of the next page."""

    rows: Sequence[Row]
    total: Total
    next: Keyset | None


class Listed(msgspec.Struct, frozen=True):
    """The statements of one list, whose values begin with those of its condition.

    ``pages`` is the page by number, with a limit and an offset; ``after`` the one behind a keyset,
    with a limit, a time and an id. Each row has ``known`` and ``total`` besides; where a page is
    empty, there is one whose id is null. ``source``: where all rows of the list are.
    """

    pages: str
    after: str
    source: str


def videos_where(
    matching: str,
    *,
    values: int = 0,
    known: str = "true",
    source: str = "catalog.videos",
    key: str = "id",
) -> Listed:
    """The list of the videos whose ids ``source`` has in its column ``key``, where ``matching``.

    ``values``: how many values the condition has. ``known``: whether what the list belongs to
    exists.
    """
    rows = f"select {VIDEO} from page join catalog.videos v on v.id = page.id {OWNER}"
    return _listed(matching, values, rows, known=known, source=source, key=key)


def jobs_where(matching: str, *, values: int) -> Listed:
    """The list of jobs where ``matching``."""
    rows = f"select {JOB} from page join catalog.jobs j on j.id = page.id"
    return _listed(matching, values, rows, source="catalog.jobs")


class Lists:
    """Reads pages of lists."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._totals = Totals(reads)

    async def page(
        self, listed: Listed, page: PageParams, after: Keyset | None, *values: Any
    ) -> Listing | None:
        """A page of a list; None if what the list belongs to does not exist.

        ``values``: those of its condition. Raises PageTooDeep.
        """
        # One row more than a page has: if it is there, a next page exists.
        limit = page.page_size + 1
        offset = min(page.offset, MAX_OFFSET) if after is None else 0
        if after is None:
            rows = await self._reads.rows(listed.pages, *values, limit, offset)
        else:
            rows = await self._reads.rows(listed.after, *values, limit, after.created_at, after.id)
        if not rows[0]["known"]:
            return None
        found = [row for row in rows if row["id"] is not None]
        shown = offset + len(found) if found else 0
        total = await self._totals.of(rows[0]["total"], listed.source, values, shown=shown)
        if after is None and page.offset > MAX_OFFSET:
            if found:
                raise PageTooDeep
            return Listing([], total, None)
        page_rows = found[: page.page_size]
        more = len(found) > page.page_size
        last = Keyset(page_rows[-1]["created_at"], page_rows[-1]["id"]) if more else None
        return Listing(page_rows, total, last)


def _listed(
    matching: str, values: int, rows: str, *, source: str, key: str = "id", known: str = "true"
) -> Listed:
    limit, second, third = (f"${values + place}" for place in (1, 2, 3))

    # First the ids of the page, which an index has, then their rows.
    def statement(behind: str, offset: str) -> str:
        return f"""
        with page as (
            select {key} as id, created_at from {source} where {matching} {behind}
            order by created_at desc, {key} desc limit {_LONGEST} {offset}
        )
        select counted.known, counted.total, shown.*
        from (
            select {known} as known, count(*) as total
            from (select from {source} where {matching} limit {EXACT + 1}) capped
        ) counted
        left join ({rows} order by page.created_at desc, page.id desc limit {limit}) shown on true
        order by shown.created_at desc, shown.id desc
        """

    return Listed(
        pages=statement("", f"offset {second}"),
        after=statement(f"and (created_at, {key}) < ({second}, {third})", ""),
        source=f"{source} where {matching}",
    )
