"""The errors that services raise and that become HTTP answers.

    CinelogError
    ├── InvalidInput        the request breaks a rule (400)
    ├── Unauthenticated     the caller has no valid access token (401)
    ├── Forbidden           the caller may not do this (403)
    ├── NotFound            it does not exist, or the caller may not see it (404)
    ├── NotAcceptable       what is offered cannot be taken (406)
    ├── TooSlow             the request's body arrives too slowly (408)
    ├── Conflict            it contradicts the present state (409)
    ├── PreconditionFailed  it is about an earlier state (412)
    ├── TooLarge            the body exceeds a size limit (413)
    ├── UnsupportedMedia    the content type is not accepted (415)
    ├── PreconditionRequired  it does not say which state it is about (428)
    ├── NotUnderstood       a newer version stored what this one cannot decode (409)
    ├── TooManyRequests     a rate limit is exceeded; Retry-After is sent (429)
    └── Unavailable         a dependency does not answer; Retry-After is sent (503)

Services subclass these with a ``code`` of their own. ``shared/http/problems.py`` maps
them to HTTP statuses.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec


class Detail(msgspec.Struct, frozen=True):
    """One problem: the field's name or path, and a message for people."""

    field: str
    message: str


class CinelogError(Exception):
    """Base class. ``code`` is stable and for programs; ``message`` is shown to people."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidInput(CinelogError):
    code = "invalid_input"


class Unauthenticated(CinelogError):
    code = "unauthenticated"


class Forbidden(CinelogError):
    code = "forbidden"


class NotFound(CinelogError):
    code = "not_found"


class NotAcceptable(CinelogError):
    code = "not_acceptable"


class TooSlow(CinelogError):
    code = "timeout"


class Conflict(CinelogError):
    code = "conflict"


class PreconditionFailed(CinelogError):
    code = "precondition_failed"


class PreconditionRequired(CinelogError):
    code = "precondition_required"


class TooLarge(CinelogError):
    code = "too_large"


class UnsupportedMedia(CinelogError):
    code = "unsupported_media_type"


class NotUnderstood(CinelogError):
    code = "not_understood"


class TooManyRequests(CinelogError):
    """``retry_after``: seconds until it is worth trying again."""

    code = "too_many_requests"

    def __init__(
        self, message: str, details: Sequence[Detail] = (), *, retry_after: float = 1
    ) -> None:
        super().__init__(message, details)
        self.retry_after = retry_after


class Unavailable(CinelogError):
    """``retry_after``: seconds until it is worth trying again."""

    code = "unavailable"

    def __init__(
        self, message: str, details: Sequence[Detail] = (), *, retry_after: float = 1
    ) -> None:
        super().__init__(message, details)
        self.retry_after = retry_after
