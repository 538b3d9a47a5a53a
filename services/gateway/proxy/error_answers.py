"""How a request is answered that met an error on its way."""

from math import ceil
from typing import Final

from services.gateway.http1.h1_errors import (
    Abandoned,
    BadAnswer,
    Overloaded,
    SenderStalled,
    TimedOut,
    UpstreamError,
)
from services.gateway.http1.request_body import BodyBroken, BodyTooLarge, BodyTooSlow, ClientGone
from services.gateway.request.exchange import Exchange, ReaderStalled
from services.gateway.upstream.upstreams import CircuitOpen
from shared.errors import Unavailable
from shared.telemetry import get_logger

# nginx's status for a client that hung up. It appears in metrics and logs only.
_CLIENT_CLOSED: Final = 499

# Status and Retry-After in seconds, 0 for none.
_ANSWERS: Final[dict[type[Exception], tuple[int, int]]] = {
    BodyBroken: (400, 0),
    BodyTooLarge: (413, 0),
    BodyTooSlow: (408, 0),
    SenderStalled: (408, 0),
    Overloaded: (503, 1),
    ReaderStalled: (_CLIENT_CLOSED, 0),
    TimedOut: (504, 2),
}


async def answer_error(exchange: Exchange, error: Exception) -> None:
    """Answer ``exchange``, which ``error`` ended.

    Raises RuntimeError where an answer has begun: its connection must break, so that the client
    does not take it for whole.
    """
    if isinstance(error, ClientGone) and not exchange.started:
        # The server does not tell a body that it cannot read from a client that hung up. Without
        # an answer of ours, it would answer 500 to the former.
        await exchange.fail(400)
    client_closed = exchange.gone and isinstance(error, UpstreamError)
    if client_closed or isinstance(error, (ClientGone, Abandoned)):
        exchange.status = _CLIENT_CLOSED
        return
    status, retry_after = _ANSWERS.get(type(error)) or _other(exchange, error)
    if exchange.started:
        exchange.status = status
        cut = isinstance(error, BadAnswer)
        raise RuntimeError("the answer was cut off" if cut else "the answer broke off")
    if retry_after:
        await exchange.fail(status, (b"retry-after", b"%d" % retry_after))
    else:
        await exchange.fail(status)


def _other(exchange: Exchange, error: Exception) -> tuple[int, int]:
    if isinstance(error, CircuitOpen | Unavailable):
        return 503, max(1, ceil(error.retry_after))
    if isinstance(error, UpstreamError):
        return 502, 1
    get_logger("gateway").error(
        "unexpected error",
        exc_info=error,
        route=exchange.route,
        trace_id=exchange.trace.trace_id.decode(),
    )
    return 500, 0
