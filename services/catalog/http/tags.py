"""Routes of tags."""

from typing import Annotated, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from services.catalog import api_models
from services.catalog.api_models import Tag, Video
from services.catalog.domain import (
    AddTags,
    RemoveTag,
    TagNotFound,
    VideoNotFound,
    clean_tags,
)
from services.catalog.event_tail.shown_changes import LISTS
from services.catalog.http.access import checked_id, find_after_catch_up, run_command
from services.catalog.http.conditional import NOBODY, SHOWS, answers_apart
from services.catalog.http.dependencies import Caller, TheCatalog
from services.catalog.http.lists import PAGING, Cursor, Paging, decode_keyset, to_page, to_videos
from shared.errors import Detail, InvalidInput
from shared.http.envelope import Message, Success
from shared.http.openapi import BEARER
from shared.http.paging import Page
from shared.text_rules import tag_key


class NewTags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """1 to 10 tags of at most 50 characters."""

    tags: list[str]


class OldTag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tag: str


@get("/tags", opt={SHOWS: LISTS}, tags=["tags"], summary="All tags")
async def all_tags(
    request: Request[object, object, State], catalog: TheCatalog
) -> Success[list[Tag]]:
    """The tags of listed videos, in order; at most 1000."""
    answers_apart(request, NOBODY)
    return Success(data=[api_models.to_tag(name) for name in await catalog.views.tags()])


@get(
    "/tags/{tag:str}/videos",
    dependencies=PAGING,
    opt={SHOWS: LISTS},
    tags=["tags"],
    summary="Videos with a tag",
)
async def tagged(
    request: Request[object, object, State],
    tag: FromPath[str],
    catalog: TheCatalog,
    paging: Paging,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    key = tag_key(tag)
    if not key or "\0" in key:
        raise TagNotFound
    answers_apart(request, NOBODY)
    keyset = decode_keyset(cursor)
    listing = await find_after_catch_up(catalog, lambda: catalog.views.tagged(key, paging, keyset))
    if listing is None:
        raise TagNotFound
    return to_page(listing, await to_videos(listing.rows, catalog, request), paging)


@post("/tags/{video_id:str}", status_code=200, tags=["tags"], summary="Add tags", security=BEARER)
async def add(
    principal: Caller,
    video_id: FromPath[str],
    data: JSONBody[NewTags],
    catalog: TheCatalog,
) -> Success[Message]:
    wanted = AddTags(principal.user_id, clean_tags(data.tags))
    id_ = checked_id(video_id, VideoNotFound)
    await run_command(catalog, principal, id_, wanted)
    return Success(data=Message(message="The tags were added."))


@delete(
    "/tags/{video_id:str}", status_code=200, tags=["tags"], summary="Remove a tag", security=BEARER
)
async def remove(
    principal: Caller,
    video_id: FromPath[str],
    catalog: TheCatalog,
    data: JSONBody[OldTag | None] = None,
    name: Annotated[
        str | None, QueryParameter(name="tag", description="For clients that send no body.")
    ] = None,
) -> Success[Message]:
    wanted = name if data is None else data.tag
    if wanted is None or not wanted.strip():
        message = "Say which tag to remove."
        raise InvalidInput(message, [Detail("tag", message)])
    id_ = checked_id(video_id, VideoNotFound)
    await run_command(catalog, principal, id_, RemoveTag(principal.user_id, wanted))
    return Success(data=Message(message="The tag was removed."))


HANDLERS: Final[list[HTTPRouteHandler]] = [all_tags, tagged, add, remove]
