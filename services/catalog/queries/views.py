"""Queries over videos, people and jobs. Rows come back as mappings that ``api_models`` shapes.

Each answers in one round trip, with a statement that the server has prepared.
"""

# ruff: noqa: S608 - the only text put into a statement is our own

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.catalog.queries.lists import (
    JOB,
    OWNER,
    VIDEO,
    Keyset,
    Listed,
    Listing,
    Lists,
    Row,
    jobs_where,
    videos_where,
)
from services.catalog.read_model.folding import username_key
from shared.database.reads import Reads
from shared.http.paging import PageParams

CHANNEL_PREVIEW: Final = 50
"""The number of videos in a user's answer; the channel's list has all."""

MAX_TAGS_LISTED: Final = 1000

# Not of a deleted account, whose videos are about to be deleted, and not in the bin.
_FOUND: Final = """
from catalog.videos v left join catalog.users u on u.id = v.user_id
where v.id = $1 and u.deleted is not true and v.delete_at is null
"""
_VIDEO: Final = f"select {VIDEO} {_FOUND}"
_ACCESS: Final = f"select v.user_id, v.visibility, v.duration_ms, v.captions {_FOUND}"

# As ``ix_videos_live`` has it.
_LIVE: Final = "status = 'live' and not live_ended"
_LATEST: Final = videos_where("listed")
_LATEST_LIVE: Final = videos_where(f"listed and {_LIVE}")
_KNOWN: Final = "exists (select from catalog.users where id = $1 and not deleted)"
_OWN: Final = "user_id = $1 and (listed or $2) and delete_at is null"
_CHANNEL: Final = videos_where(_OWN, values=2, known=_KNOWN)
_CHANNEL_LIVE: Final = videos_where(f"{_OWN} and {_LIVE}", values=2, known=_KNOWN)
_TAGGED: Final = videos_where(
    "listed and key = $1",
    values=1,
    known="count(*) > 0",
    source="catalog.video_tags",
    key="video_id",
)
_JOB: Final = f"select {JOB} from catalog.jobs j where j.id = $1 and not j.binned"
_JOBS: Final = jobs_where("user_id = $1 and not binned", values=1)
_JOBS_WITH_STATUS: Final = jobs_where("user_id = $1 and status = $2 and not binned", values=2)

# A loose index scan: one index lookup per tag, whatever its number of videos.
_TAGS: Final = f"""
with recursive known(key, name) as (
    (select key, name from catalog.video_tags where listed
     order by key, created_at, video_id limit 1)
    union all
    select next.key, next.name from known cross join lateral (
        select key, name from catalog.video_tags
        where listed and key > known.key
        order by key, created_at, video_id limit 1
    ) as next
)
select name from known limit {MAX_TAGS_LISTED}
"""


def _person(matching: str) -> str:
    """A user with the newest videos: one row for each, and one whose id is null without any."""
    return f"""
    with person as (
        select id, username, registered_at from catalog.users
        where {matching} and not deleted order by registered_at limit 1
    ), page as (
        select v.id from catalog.videos v
        where v.user_id = (select id from person) and (v.listed or v.user_id = $2)
            and v.delete_at is null
        order by v.created_at desc, v.id desc limit {CHANNEL_PREVIEW}
    )
    select person.id as person_id, person.username as person_name,
           person.registered_at, shown.*
    from person left join (
        select {VIDEO} from page join catalog.videos v on v.id = page.id {OWNER}
    ) shown on true
    order by shown.created_at desc, shown.id desc
    """


_PERSON_BY_ID: Final = _person("id = $1")
_PERSON_BY_NAME: Final = _person("username_key = $1")


class Person(msgspec.Struct, frozen=True):
    """A user: id, username and ``registered_at``, and the newest videos."""

    id: str
    username: str
    registered_at: datetime
    newest: Sequence[Row]


class Views:
    """The catalog's queries on one database."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._lists = Lists(reads)

    async def video(self, video_id: str) -> Row | None:
        """A video in any state; None if it does not exist, or its owner's account does not."""
        return await self._reads.row(_VIDEO, video_id)

    async def access(self, video_id: str) -> Row | None:
        """Who may see a video, its length and its captions: that which ``video`` would find."""
        return await self._reads.row(_ACCESS, video_id)

    async def latest(
        self, page: PageParams, after: Keyset | None, *, live: bool = False
    ) -> Listing:
        """Listed videos, newest first; with ``live``, those that are being sent now."""
        return await self._known(_LATEST_LIVE if live else _LATEST, page, after)

    async def channel(
        self,
        user_id: str,
        page: PageParams,
        after: Keyset | None,
        *,
        everything: bool,
        live: bool = False,
    ) -> Listing | None:
        """A user's listed videos, newest first; with ``everything``, for the owner, all of them.
        With ``live``, those that are being sent now. None if there is no such user."""
        listed = _CHANNEL_LIVE if live else _CHANNEL
        return await self._lists.page(listed, page, after, user_id, everything)

    async def tagged(self, key: str, page: PageParams, after: Keyset | None) -> Listing | None:
        """Videos with a tag, newest first; None if no listed video has it."""
        return await self._lists.page(_TAGGED, page, after, key)

    async def tags(self) -> Sequence[str]:
        """The tags of listed videos, in order; at most 1000."""
        return [row["name"] for row in await self._reads.rows(_TAGS)]

    async def person(
        self, *, user_id: str = "", username: str = "", caller: str = ""
    ) -> Person | None:
        """A user by id, or else by username; None if there is none.

        If it is the ``caller``, the newest videos are all of them, and else those that are listed.
        """
        if user_id:
            rows = await self._reads.rows(_PERSON_BY_ID, user_id, caller)
        else:
            rows = await self._reads.rows(_PERSON_BY_NAME, username_key(username), caller)
        if not rows:
            return None
        first = rows[0]
        newest = [row for row in rows if row["id"] is not None]
        return Person(first["person_id"], first["person_name"], first["registered_at"], newest)

    async def job(self, job_id: str) -> Row | None:
        """A job; None if it does not exist."""
        return await self._reads.row(_JOB, job_id)

    async def jobs(
        self, user_id: str, status: str | None, page: PageParams, after: Keyset | None
    ) -> Listing:
        """A user's jobs, newest first."""
        if status is None:
            return await self._known(_JOBS, page, after, user_id)
        return await self._known(_JOBS_WITH_STATUS, page, after, user_id, status)

    async def _known(
        self, listed: Listed, page: PageParams, after: Keyset | None, *values: str
    ) -> Listing:
        found = await self._lists.page(listed, page, after, *values)
        if found is None:
            raise LookupError("this list belongs to nothing that could be missing")
        return found
