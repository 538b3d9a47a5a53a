"""A track that ffprobe is not to open, because its decoder refuses its settings. Pure."""

import msgspec


class Hidden(msgspec.Struct, frozen=True):
    """A hidden track: ``data`` stands in the place of the file's bytes from ``place`` on.

    ``kind`` and ``codec`` as ffprobe would call them. ``again``: bytes that come again and again,
    in whose place ``data`` stands each time; ``place`` is of no account then.
    """

    number: int
    place: int
    data: bytes
    kind: str
    codec: str
    again: bytes = b""


class Hiding:
    """Puts hidden tracks into a file that is read from byte ``start`` on, part by part."""

    def __init__(self, start: int, hidden: tuple[Hidden, ...]) -> None:
        self._at = start
        self._hidden = hidden
        # What comes again may begin in one part and end in the next.
        self._held = max((len(each.again) for each in hidden), default=1) - 1
        self._rest = b""

    def add(self, part: bytes) -> bytes:
        """The next bytes of the file; some of ``part`` may follow later."""
        data = self._rest + part
        for each in self._hidden:
            data = data.replace(each.again, each.data) if each.again else self._placed(data, each)
        ready = len(data) - max(0, self._held)
        if ready <= 0:
            self._rest = data
            return b""
        self._at, self._rest = self._at + ready, data[ready:]
        return data[:ready]

    def end(self) -> bytes:
        """The last bytes."""
        return self._rest

    def _placed(self, data: bytes, each: Hidden) -> bytes:
        start = self._at
        first = max(start, each.place)
        last = min(start + len(data), each.place + len(each.data))
        if first >= last:
            return data
        new = each.data[first - each.place : last - each.place]
        return data[: first - start] + new + data[last - start :]
