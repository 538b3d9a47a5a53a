"""Recordings of scrambled broadcasts are known by their packets' headers."""

import pytest

from services.transcoder.planning.scrambling import is_scrambled


def stream(*flags: int, size: int = 188, before: bytes = b"") -> bytes:
    return before + b"".join(
        bytes([0x47, 0x01, 0x00, flag << 6 | 0x10]) + bytes(size - 4) for flag in flags
    )


@pytest.mark.parametrize(
    ("head", "scrambled"),
    [
        (stream(*[0] * 20), False),
        (stream(*[0, 2, 3, 2] * 5), True),
        # A stray packet is damage.
        (stream(*[0] * 19, 2), False),
        (stream(*[2] * 20, before=b"junk"), True),
        (stream(*[2] * 20, size=192), True),
        (stream(*[2] * 5), False),
        (b"", False),
        (bytes(5000), False),
    ],
)
def test_a_transport_stream_says_that_it_is_scrambled(head: bytes, *, scrambled: bool) -> None:
    assert is_scrambled(head) == scrambled
