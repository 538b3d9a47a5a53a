"""Routes of users and their channels."""

from typing import Final

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.catalog.api_models import User, Video
from services.catalog.event_tail.shown_changes import LISTS
from services.catalog.http.access import checked_id, find_after_catch_up
from services.catalog.http.conditional import SHOWS, answers_apart
from services.catalog.http.dependencies import Catalog, MaybeCaller, TheCatalog
from services.catalog.http.lists import (
    PAGING,
    Cursor,
    OnlyLive,
    Paging,
    decode_keyset,
    to_page,
    to_videos,
)
from services.catalog.queries.views import Person
from shared.errors import NotFound
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.paging import Page

AnyRequest = Request[object, object, State]

_MAX_NAME: Final = 100


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such user.")


@get(
    "/users/id/{user_id:str}",
    opt={SHOWS: LISTS},
    tags=["users"],
    summary="A user by id",
)
async def by_id(
    request: AnyRequest,
    user_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[User]:
    """With the newest videos; the e-mail address only if the caller is this user."""
    id_ = checked_id(user_id, UserNotFound)
    caller = _id_of(optional_principal)
    found = await find_after_catch_up(
        catalog, lambda: catalog.views.person(user_id=id_, caller=caller)
    )
    return await _to_user(found, request, catalog, optional_principal)


@get(
    "/users/username/{username:str}",
    opt={SHOWS: LISTS},
    tags=["users"],
    summary="A user by name",
)
async def by_name(
    request: AnyRequest,
    username: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[User]:
    if not 0 < len(username) <= _MAX_NAME or "\0" in username:
        raise UserNotFound
    caller = _id_of(optional_principal)
    found = await find_after_catch_up(
        catalog, lambda: catalog.views.person(username=username, caller=caller)
    )
    return await _to_user(found, request, catalog, optional_principal)


@get(
    "/users/{user_id:str}/videos",
    dependencies=PAGING,
    opt={SHOWS: LISTS},
    tags=["users"],
    summary="A channel",
)
async def channel(
    *,
    request: AnyRequest,
    user_id: FromPath[str],
    catalog: TheCatalog,
    paging: Paging,
    optional_principal: MaybeCaller,
    live: OnlyLive = False,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    """A user's videos, newest first; the owner also gets those that are not listed."""
    id_ = checked_id(user_id, UserNotFound)
    keyset, own = decode_keyset(cursor), _id_of(optional_principal) == id_
    listing = await find_after_catch_up(
        catalog,
        lambda: catalog.views.channel(id_, paging, keyset, everything=own, live=live),
    )
    if listing is None:
        raise UserNotFound
    answers_apart(request, id_)
    shown = await to_videos(listing.rows, catalog, request, optional_principal)
    return to_page(listing, shown, paging)


HANDLERS: Final[list[HTTPRouteHandler]] = [by_id, by_name, channel]


def _id_of(principal: Principal | None) -> str:
    return "" if principal is None else principal.user_id


async def _to_user(
    user: Person | None,
    request: AnyRequest,
    catalog: Catalog,
    principal: Principal | None,
) -> Success[User]:
    if user is None:
        raise UserNotFound
    answers_apart(request, user.id)
    own = _id_of(principal) == user.id
    email = await catalog.emails.email(request.headers["authorization"]) if own else None
    return Success(
        data=User(
            id=user.id,
            username=user.username,
            email=msgspec.UNSET if email is None else email,
            created_at=user.registered_at,
            videos=await to_videos(user.newest, catalog, request, principal),
        )
    )
