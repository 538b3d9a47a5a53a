"""Mutated sessions: only the errors that are meant to be, and bounded memory."""

import random
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from services.live.flv import amf0
from services.live.flv.tags import AUDIO, VIDEO, NotPlayable, Tag, content
from services.live.rtmp.wire import Parser, ProtocolError
from tests.support.rtmp_bytes import RECORDED

CASES = 5000
HANDSHAKE_END = 3073
COMMANDS_END = 1200
NASTY = (
    b"\xff" * 4,
    b"\0" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x14",
    b"\x02\0\0\0\0\0\4\1\0\0\0\0\0\0\0\0",
    b"\x02\0\0\0\0\0\4\1\0\0\0\0\x7f\xff\xff\xff",
    b"\x02\0\0\0\0\0\4\1\0\0\0\0\0\0\0\1",
    b"\x03\0\0\0\xff\xff\xff\x09\0\0\0\0",
    b"\x05\0\0\0\0\4\0\x16\0\0\0\0",
    b"\x0a" + b"\xff" * 4,
    b"\3" * 60,
)


def mutated(random_: random.Random) -> bytes:
    """The beginning of a recorded session with some changes, most of them in its commands."""
    end = random_.choice((HANDSHAKE_END + 600, HANDSHAKE_END + 4000, HANDSHAKE_END + 9000))
    data = bytearray(RECORDED[:end])
    low = 0 if random_.random() < 0.1 else HANDSHAKE_END
    for _ in range(random_.choice((1, 1, 2, 5, 20))):
        high = len(data) if random_.random() < 0.5 else min(len(data), low + COMMANDS_END)
        at = random_.randrange(low, high)
        match random_.randrange(5):
            case 0:
                data[at] = random_.randrange(256)
            case 1:
                data[at] ^= 1 << random_.randrange(8)
            case 2:
                data[at : at + 4] = random_.choice(NASTY)
            case 3:
                del data[at : at + random_.choice((1, 3, 40))]
            case _:
                data[at:at] = random_.choice(NASTY)
        low = min(low, len(data) - 1)
    return bytes(data)


def consume(data: bytes) -> None:
    """Read all of it as the server does."""
    parser = Parser(lambda _: None)
    parser.receive(data)
    with suppress(ProtocolError):
        for message in parser.messages(1 << 30):
            with suppress(amf0.MalformedAmf, NotPlayable):
                if message.kind in (17, 20):
                    amf0.read(message.body)
                elif message.kind in (AUDIO, VIDEO):
                    content(Tag(message.kind, message.milliseconds, message.body))
    assert len(parser._buffer) <= len(data)
    assert 0 <= parser._held <= (8 << 20) + (4 << 20)
    assert parser._held == sum(map(len, parser._bodies.values()))
    assert len(parser._headers) <= 32


def test_mutated_sessions_do_no_harm() -> None:
    random_ = random.Random(20261127)
    for _ in range(CASES):
        consume(mutated(random_))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_handshake_do_no_harm(data: bytes) -> None:
    consume(RECORDED[:HANDSHAKE_END] + data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_command_or_a_tag_do_no_harm(data: bytes) -> None:
    with suppress(amf0.MalformedAmf):
        amf0.read(data)
    for kind in (AUDIO, VIDEO):
        with suppress(NotPlayable):
            content(Tag(kind, 0, data))
