"""How an exchange with an upstream can fail."""


class UpstreamError(Exception):
    """The upstream failed to answer."""


class Unreachable(UpstreamError):
    """There is no connection, or it was lost before the answer began."""


class Overloaded(UpstreamError):
    """All connections are busy, and the queue for them is full or too slow."""


class TimedOut(UpstreamError):
    """The upstream was silent for longer than the request allows."""


class BadAnswer(UpstreamError):
    """The answer is not HTTP, or was cut off."""


class SenderStalled(Exception):
    """The client stopped sending the request's body. The upstream did not fail."""


class Abandoned(Exception):
    """The reader closed the response."""


class Stale(Exception):
    """The upstream closed the connection without returning a byte."""
