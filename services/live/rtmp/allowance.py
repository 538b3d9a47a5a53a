"""How much a connection may send. Pure.

A message costs the same time however little is in it, and so does a chunk. All connections share
one thread with everybody's lives, so bytes are the wrong measure of what a publisher takes.
"""

from typing import Final

from shared.token_bucket import MICROS, Bucket, take

PIECES_BEFORE: Final = 4000
"""Chunks, or pieces, until a connection has said what it publishes; programs need some dozens."""
PIECES: Final = Bucket(MICROS // 2000, 20_000)
"""Messages and tiny chunks of a publisher. Pictures and sound are some 200 messages a second; after
a pause of the network, those of a minute and more come at once."""

TOO_EARLY: Final = "too much before it publishes"
TOO_MANY: Final = "too many messages"


class Allowance:
    """What one connection has left."""

    def __init__(self) -> None:
        self._pieces = 0
        self._full_at = 0

    def refusal(self, chunks: int, pieces: int, now: float, *, asked: bool) -> str | None:
        """Why the connection must end, which has sent so many chunks, and pieces of messages, until
        ``now``, in seconds; None where it may go on. ``asked``: it has said what it publishes."""
        if not asked:
            return TOO_EARLY if max(chunks, pieces) > PIECES_BEFORE else None
        cost = pieces - self._pieces
        self._pieces = pieces
        decision, self._full_at = take(PIECES, self._full_at, int(now * MICROS), cost)
        return None if decision.allowed else TOO_MANY
