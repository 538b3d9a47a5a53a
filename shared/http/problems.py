"""Maps errors to answers: the table of statuses, and the envelope of every failure.

Every error, raised by a handler, by Litestar's routing and validation, or unexpected, is answered
with the contract's envelope. Details that are not for the caller go to the log only.
"""

import math
import re
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException

from shared import errors
from shared.errors import CinelogError, Detail
from shared.http.envelope import Failure, Problem
from shared.outages import is_outage
from shared.telemetry import current_trace_id, get_logger
from shared.text_rules import without_unprintable

STATUSES: Final[dict[type[CinelogError], int]] = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.PreconditionRequired: 428,
    errors.NotUnderstood: 409,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}

_BY_STATUS: Final[dict[int, tuple[str, str]]] = {
    400: ("invalid_input", "The request is not valid."),
    401: ("unauthenticated", "Log in first."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not accept that method."),
    408: ("timeout", "The request took too long to arrive."),
    409: ("conflict", "This clashes with what is already there."),
    413: ("too_large", "The request is too large."),
    414: ("uri_too_long", "The address is too long."),
    415: ("unsupported_media_type", "That content type is not accepted here."),
    417: ("expectation_failed", "That expectation cannot be met."),
    429: ("too_many_requests", "Too many requests. Try again in a moment."),
    431: ("headers_too_large", "The request's headers are too large."),
    500: ("internal", "Something went wrong on our side."),
    501: ("not_implemented", "This is not supported."),
    502: ("bad_gateway", "A service gave no usable answer. Try again in a moment."),
    503: ("unavailable", "This is not available right now. Try again in a moment."),
    504: ("gateway_timeout", "A service took too long to answer. Try again in a moment."),
}

_BEARER_CHALLENGE: Final = 'Bearer realm="cinelog"'
_MISSING_FIELD: Final = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_SHOWN_NAME: Final = 40
_LENGTH: Final = re.compile(r"Expected `str` of length (>=|<=) (\d+)")
_encoder: Final = msgspec.json.Encoder()


def status_of(error: CinelogError) -> int:
    """The HTTP status of an error's class; 500 for one that has none."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return 500


def headers_of(error: CinelogError) -> dict[str, str]:
    """The headers that the status requires: Retry-After (RFC 9110), WWW-Authenticate (RFC 6750)."""
    if isinstance(error, errors.TooManyRequests | errors.Unavailable):
        return {"retry-after": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, errors.Unauthenticated):
        return {"www-authenticate": _BEARER_CHALLENGE}
    return {}


def default_problem(status: int) -> Problem:
    """The envelope's error for a status without further details."""
    kind, message = _BY_STATUS.get(status) or _BY_STATUS[500 if status >= 500 else 400]
    return Problem(code=status, type=kind, message=message, trace_id=_trace_id())


def problem_of(error: CinelogError) -> Problem:
    """The envelope's error for ``error``."""
    return Problem(
        code=status_of(error),
        type=error.code,
        message=error.message,
        details=error.details or msgspec.UNSET,
        trace_id=_trace_id(),
    )


def body(problem: Problem) -> bytes:
    """The whole failure envelope as JSON."""
    return _encoder.encode(Failure(error=problem))


def on_cinelog_error(request: Request[Any, Any, Any], error: CinelogError) -> Response[bytes]:
    """Litestar's handler for CinelogErrors."""
    if status_of(error) >= 500:
        get_logger("http").warning("unavailable", type=error.code, reason=str(error))
    return _response(problem_of(error), headers_of(error))


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's handler for requests that the framework refuses."""
    if error.status_code >= 500:
        return on_unexpected(request, error)
    problem = default_problem(error.status_code)
    if isinstance(error, ValidationException):
        problem = msgspec.structs.replace(problem, details=_details(error) or msgspec.UNSET)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return _response(problem, headers)


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's handler for all other errors: an outage or a bug.

    The log gets the details, the caller only whether a retry may help.
    """
    if is_outage(error):
        get_logger("http").error("a dependency does not answer", reason=repr(error))
        return _response(default_problem(503), {"retry-after": "1"})
    get_logger("http").error(
        "unexpected error",
        method=request.method,
        route=_route(request),
        exc_info=error,
    )
    return _response(default_problem(500), {})


def on_unreadable(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's handler for bodies that break the JSON decoder: bad UTF-8, deep nesting.

    The traceback is logged, because the error may also be a bug.
    """
    get_logger("http").warning("unreadable request", route=_route(request), exc_info=error)
    return _response(default_problem(400), {})


EXCEPTION_HANDLERS: Final[dict[int | type[Exception], Any]] = {
    CinelogError: on_cinelog_error,
    HTTPException: on_http_exception,
    UnicodeDecodeError: on_unreadable,
    RecursionError: on_unreadable,
    Exception: on_unexpected,
}


def _response(problem: Problem, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        body(problem), status_code=problem.code, headers=headers, media_type=MediaType.JSON
    )


def _details(error: ValidationException) -> tuple[Detail, ...]:
    if not isinstance(error.extra, list):
        return ()
    found = msgspec.convert(error.extra, list[dict[str, Any]], strict=False)
    return tuple(_detail(item) for item in found)


def _detail(item: dict[str, Any]) -> Detail:
    """msgspec's message, reworded for errors in what people type."""
    field = str(item.get("key") or item.get("source") or "body")
    message = str(item.get("message", "is not valid"))
    if missing := _MISSING_FIELD.match(message):
        return Detail(missing[1], "is required")
    if unknown := _UNKNOWN_FIELD.match(message):
        return Detail(without_unprintable(unknown[1])[:_SHOWN_NAME], "is not known")
    if length := _LENGTH.match(message):
        bound = "at least" if length[1] == ">=" else "at most"
        return Detail(field, f"must have {bound} {length[2]} characters")
    return Detail(field, message)


def _route(request: Request[Any, Any, Any]) -> str:
    scope: Any = request.scope
    return str(scope.get("path_template") or "unmatched")


def _trace_id() -> str | msgspec.UnsetType:
    return current_trace_id() or msgspec.UNSET
