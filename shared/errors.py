"""The errors that any part of Cinelog may raise and any caller may expect.

    CinelogError
    ├── InvalidInput        what was sent breaks a rule (400)
    ├── Unauthenticated     no valid proof of who calls (401)
    ├── Forbidden           known caller, not theirs (403)
    ├── NotFound            no such thing, or none that the caller may see (404)
    ├── Conflict            it clashes with what is already there (409)
    ├── TooLarge            over a size limit (413)
    ├── UnsupportedMedia    a content type that is not accepted (415)
    ├── TooManyRequests     over a rate limit; says when to come back (429)
    └── Unavailable         a part that is needed does not answer; says when to come back (503)

Services subclass these with a ``code`` of their own. The HTTP statuses live in
``shared/http/problems.py``: nothing here knows of HTTP.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec


class Detail(msgspec.Struct, frozen=True):
    """One thing that is wrong: where (a field's name or path) and what, for a person."""

    field: str
    message: str


class CinelogError(Exception):
    """Base of all. ``code`` is the stable machine name; ``message`` is shown to people."""

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


class Conflict(CinelogError):
    code = "conflict"


class TooLarge(CinelogError):
    code = "too_large"


class UnsupportedMedia(CinelogError):
    code = "unsupported_media_type"


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
