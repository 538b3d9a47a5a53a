"""One change of a module, and how it is shown."""

import msgspec


class Mutation(msgspec.Struct, frozen=True):
    """Bytes ``start`` to ``end`` of a module become ``new``.

    ``lines``: the first and last line of the statement that changes. ``function``: its function
    with its class, empty for a module's own statements.
    """

    path: str
    function: str
    lines: tuple[int, int]
    start: int
    end: int
    new: bytes

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.new + source[self.end :]


def shown(mutation: Mutation, source: bytes) -> tuple[str, str]:
    """The lines that differ, before and after, with the white space between words made equal."""
    first = source.rfind(b"\n", 0, mutation.start) + 1
    last = source.find(b"\n", mutation.end)
    last = len(source) if last < 0 else last
    before = source[first:last]
    after = source[first : mutation.start] + mutation.new + source[mutation.end : last]
    return _plain(before), _plain(after)


def line_of(mutation: Mutation, source: bytes) -> int:
    """The line on which a mutation begins."""
    return source.count(b"\n", 0, mutation.start) + 1


def _plain(text: bytes) -> str:
    return " ".join(text.decode().split())
