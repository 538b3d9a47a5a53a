"""The bodies of the errors that the gateway itself answers with, in the API's envelope."""

import msgspec

from shared.http import problems

Headers = list[tuple[bytes, bytes]]


class ErrorBodies:
    """Headers and bodies by status. Only the trace id differs between two answers of one status."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Headers, bytes, bytes]] = {}

    def of(self, status: int, trace_id: bytes) -> tuple[Headers, bytes]:
        """Headers and body for ``status``; ``trace_id`` has 32 digits."""
        known = self._known.get(status)
        if known is None:
            known = self._known[status] = _prepare(status)
        headers, before, after = known
        return headers, b"%b%b%b" % (before, trace_id, after)


def _prepare(status: int) -> tuple[Headers, bytes, bytes]:
    """The headers, and the body before and after the trace id."""
    blank = "0" * 32
    problem = msgspec.structs.replace(problems.default_problem(status), trace_id=blank)
    body = problems.body(problem)
    before, _, after = body.partition(blank.encode())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    return headers, before, after
