"""Pages by number, and opaque cursors for lists of unlimited length."""

import base64
import binascii
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from shared.errors import Detail, InvalidInput

DEFAULT_SIZE: Final = 10
MAX_SIZE: Final = 50
MAX_PAGE: Final = 1_000_000
MAX_OFFSET: Final = 10_000
"""How many items may be before a page that is asked for by its number, where so many exist."""
_MAX_CURSOR: Final = 512

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page; ``cursor`` requests the next one if the list supports cursors.

    ``total`` is counted up to 1000. Above that it may be a minute old, above 10050 (of a search,
    above 1000) it is an estimate, and ``total_is_exact`` is false.
    """

    data: list[T]
    page: int
    page_size: int
    total: int
    total_is_exact: bool | msgspec.UnsetType = msgspec.UNSET
    cursor: str | msgspec.UnsetType | None = msgspec.UNSET


_BY_CURSOR: Final = f"Pages behind {MAX_OFFSET} items are reached by the cursor of the page before."


class PageTooDeep(InvalidInput):
    code = "page_too_deep"

    def __init__(self, message: str = _BY_CURSOR) -> None:
        super().__init__(message, [Detail("page", message)])


class PageParams(msgspec.Struct, frozen=True):
    """The requested page: ``page`` from 1, ``page_size`` from 1 to 50."""

    page: int = 1
    page_size: int = DEFAULT_SIZE

    @property
    def offset(self) -> int:
        """The number of items before this page."""
        return (self.page - 1) * self.page_size


def page_params(
    page: Annotated[str | None, QueryParameter(name="page", description="From 1.")] = None,
    page_size: Annotated[
        str | None, QueryParameter(name="page_size", description="From 1 to 50; 10 if not given.")
    ] = None,
) -> PageParams:
    """The requested page, as a Litestar dependency. Invalid values become the default."""
    size = _number(page_size, DEFAULT_SIZE)
    return PageParams(
        page=min(max(_number(page, 1), 1), MAX_PAGE),
        page_size=DEFAULT_SIZE if size < 1 else min(size, MAX_SIZE),
    )


def encode_cursor(place: Any) -> str:
    """An opaque cursor that holds ``place``, the sort key of the last item."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, kind: type[T]) -> T:
    """The place in a cursor made by ``encode_cursor``. Raises InvalidInput."""
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError(cursor)
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise InvalidInput("This cursor is not one of ours.") from None


def _number(text: str | None, default: int) -> int:
    try:
        return int(text[:12]) if text else default
    except ValueError:
        return default
