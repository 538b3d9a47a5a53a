"""People's pages and channels."""

from typing import Final

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.catalog.api_models import User, Video
from services.catalog.http.access import checked_id, settled
from services.catalog.http.dependencies import Catalog, MaybeCaller, TheCatalog
from services.catalog.http.lists import PAGING, Cursor, Paging, paged, place_of, present
from services.catalog.queries.views import CHANNEL_PREVIEW, Row
from shared.errors import NotFound
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.paging import Page, PageParams

AnyRequest = Request[object, object, State]

_LONGEST_NAME: Final = 100


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such user.")


@get("/users/id/{user_id:str}", tags=["users"], summary="A user by id")
async def by_id(
    request: AnyRequest,
    user_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[User]:
    """With their newest videos; one's own e-mail address only for oneself."""
    id_ = checked_id(user_id, UserNotFound)
    row = await settled(catalog, lambda: catalog.views.user(user_id=id_))
    return await _page_of(row, request, catalog, optional_principal)


@get("/users/username/{username:str}", tags=["users"], summary="A user by name")
async def by_name(
    request: AnyRequest,
    username: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[User]:
    if not 0 < len(username) <= _LONGEST_NAME or "\0" in username:
        raise UserNotFound
    row = await settled(catalog, lambda: catalog.views.user(username=username))
    return await _page_of(row, request, catalog, optional_principal)


@get("/users/{user_id:str}/videos", dependencies=PAGING, tags=["users"], summary="A channel")
async def channel(
    *,
    request: AnyRequest,
    user_id: FromPath[str],
    catalog: TheCatalog,
    paging: Paging,
    optional_principal: MaybeCaller,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    """A user's videos, newest first; one's own with those that others do not see."""
    id_ = checked_id(user_id, UserNotFound)
    if await settled(catalog, lambda: catalog.views.user(user_id=id_)) is None:
        raise UserNotFound
    own = optional_principal is not None and optional_principal.user_id == id_
    listing = await catalog.views.channel(id_, paging, place_of(cursor), everything=own)
    return paged(listing, present(listing.rows, catalog, request), paging)


HANDLERS: Final[list[HTTPRouteHandler]] = [by_id, by_name, channel]


async def _page_of(
    user: Row | None,
    request: AnyRequest,
    catalog: Catalog,
    principal: Principal | None,
) -> Success[User]:
    if user is None:
        raise UserNotFound
    own = principal is not None and principal.user_id == user["id"]
    newest = PageParams(1, CHANNEL_PREVIEW)
    listing = await catalog.views.channel(user["id"], newest, None, everything=own)
    email = await catalog.emails.email(request.headers["authorization"]) if own else None
    return Success(
        data=User(
            id=user["id"],
            username=user["username"],
            email=msgspec.UNSET if email is None else email,
            created_at=user["registered_at"],
            videos=present(listing.rows, catalog, request),
        )
    )
