"""The one shape of every answer (docs: the HTTP contract)."""

from typing import Generic, Literal, TypeVar

import msgspec

from shared.errors import Detail

T = TypeVar("T")


class Success(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """``{"success": true, "data": …}``."""

    success: Literal[True] = True
    data: T


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """``code`` is the HTTP status, ``type`` the stable machine name, ``message`` for a person."""

    code: int
    message: str
    type: str
    details: tuple[Detail, ...] | msgspec.UnsetType = msgspec.UNSET
    trace_id: str | msgspec.UnsetType = msgspec.UNSET


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """``{"success": false, "error": {…}}``."""

    success: Literal[False] = False
    error: Problem


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that only says what was done."""

    message: str
