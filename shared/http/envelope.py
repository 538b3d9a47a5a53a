"""The envelope of every answer."""

from typing import Generic, Literal, TypeVar

import msgspec

from shared.errors import Detail

T = TypeVar("T")


class Success(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """``{"success": true, "data": …}``."""

    success: Literal[True] = True
    data: T


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """``code`` is the HTTP status, ``type`` is stable and for programs, ``message`` for people."""

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
    """The data of an answer that only confirms an action."""

    message: str
