"""The bodies of the errors that the gateway itself answers with, in the API's envelope."""

import msgspec

from shared.http import problems

Headers = list[tuple[bytes, bytes]]


class Failure(msgspec.Struct, frozen=True):
    """An error with a code of its own: ``kind`` is for programs, ``message`` for people."""

    status: int
    kind: str
    message: str


class ErrorBodies:
    """Headers and bodies by failure. Only the trace id differs between two answers of one kind."""

    def __init__(self) -> None:
        self._known: dict[int | Failure, tuple[Headers, bytes, bytes]] = {}

    def of(self, failure: int | Failure, trace_id: bytes) -> tuple[Headers, bytes]:
        """Headers and body for a status or a failure; ``trace_id`` has 32 digits."""
        known = self._known.get(failure)
        if known is None:
            known = self._known[failure] = _prepare(failure)
        headers, before, after = known
        return headers, b"%b%b%b" % (before, trace_id, after)


def _prepare(failure: int | Failure) -> tuple[Headers, bytes, bytes]:
    """The headers, and the body before and after the trace id."""
    blank = "0" * 32
    if isinstance(failure, Failure):
        problem = msgspec.structs.replace(
            problems.default_problem(failure.status),
            type=failure.kind,
            message=failure.message,
            trace_id=blank,
        )
    else:
        problem = msgspec.structs.replace(problems.default_problem(failure), trace_id=blank)
    body = problems.body(problem)
    before, _, after = body.partition(blank.encode())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    return headers, before, after
