"""The wire format of RTMP: what a publisher sends becomes messages, and every size is bounded."""

import pytest

from services.live.flv import amf0
from services.live.rtmp.wire import Message, Parser, ProtocolError, message
from tests.support.rtmp_bytes import HANDSHAKE, RECORDED, chunk

ALL = 1 << 30


def read(data: bytes, step: int | None = None) -> list[Message]:
    parser = Parser(lambda _: None)
    found: list[Message] = []
    for at in range(0, len(data), step or len(data)):
        parser.receive(data[at : at + (step or len(data))])
        found += parser.messages(ALL)
    return found


def after_handshake(*parts: bytes) -> list[Message]:
    return read(HANDSHAKE + b"".join(parts))


def test_a_recorded_session_is_read_whole() -> None:
    messages = read(RECORDED)
    names = [amf0.read(m.body)[0] for m in messages if m.kind == 20]
    assert names == [
        *("connect", "releaseStream", "FCPublish", "createStream", "publish"),
        *("FCUnpublish", "deleteStream"),
    ]
    assert [sum(m.kind == kind for m in messages) for kind in (8, 9)] == [89, 22]
    pictures = [m.milliseconds for m in messages if m.kind == 9]
    assert pictures[1:21] == list(range(0, 2000, 100))


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_how_the_bytes_arrive_makes_no_difference(step: int) -> None:
    assert read(RECORDED, step) == read(RECORDED)


def test_the_handshake_is_answered_with_what_the_client_sent() -> None:
    answers: list[bytes] = []
    parser = Parser(answers.append)
    parser.receive(RECORDED[:1537])
    assert parser.messages(ALL) == []
    assert [len(answer) for answer in answers] == [3073]
    assert answers[0][0] == 3
    assert answers[0][1537:] == RECORDED[1:1537]


def test_messages_of_two_chunk_streams_are_told_apart() -> None:
    one, other = chunk(9, b"p" * 200, number=6, at=5), chunk(8, b"s" * 150, number=4, at=7)
    # 12 bytes of header and 128 of the body each; then the other's rest first.
    mixed = one[:140] + other[:140] + other[140:] + one[140:]
    assert [(m.kind, m.milliseconds, len(m.body)) for m in after_handshake(mixed)] == [
        (8, 7, 150),
        (9, 5, 200),
    ]


def test_times_beyond_three_bytes_are_repeated_in_each_chunk_or_left_out() -> None:
    at = 0x01000000
    full = chunk(9, b"\xabp" * 150, number=6, at=at)
    without = full.replace(b"\xc6" + at.to_bytes(4, "big"), b"\xc6")
    assert len(without) == len(full) - 8
    for data in (full, without):
        (found,) = after_handshake(data)
        assert (found.milliseconds, found.body) == (at, b"\xabp" * 150)


def test_later_headers_leave_out_what_stays() -> None:
    first = chunk(8, b"ab", number=4, at=100)
    delta = b"\x44" + (20).to_bytes(3, "big") + (3).to_bytes(3, "big") + b"\x08" + b"cde"
    short = b"\x84" + (5).to_bytes(3, "big") + b"fgh"
    none = b"\xc4" + b"ijk"
    found = after_handshake(first, delta, short, none)
    assert [(m.milliseconds, m.body) for m in found] == [
        (100, b"ab"),
        (120, b"cde"),
        (125, b"fgh"),
        (130, b"ijk"),
    ]


def test_times_begin_again_after_two_to_the_32() -> None:
    last = chunk(8, b"a", number=4, at=0xFFFFFFF0)
    found = after_handshake(last, b"\x84\x00\x00\x20b")
    assert [m.milliseconds for m in found] == [0xFFFFFFF0, 0x10]


def test_an_aggregate_holds_tags_with_times_of_their_own() -> None:
    def tag(kind: int, at: int, body: bytes) -> bytes:
        size = len(body).to_bytes(3, "big")
        return bytes((kind,)) + size + at.to_bytes(3, "big") + bytes(4) + body + bytes(4)

    body = tag(9, 1000, b"picture") + tag(8, 1010, b"sound") + tag(9, 1040, b"cut off")[:-9]
    found = after_handshake(chunk(22, body, stream=1, at=70, number=5))
    assert [(m.kind, m.milliseconds, m.body) for m in found] == [
        (9, 70, b"picture"),
        (8, 80, b"sound"),
    ]


def test_an_unfinished_message_may_be_aborted_or_replaced() -> None:
    half = chunk(9, b"x" * 200, number=6)[:140]
    abort = chunk(2, (6).to_bytes(4, "big"), number=2)
    whole = chunk(9, b"y" * 10, number=6)
    assert [m.body for m in after_handshake(half, abort, whole)] == [b"y" * 10]
    assert [m.body for m in after_handshake(half, whole)] == [b"y" * 10]


def test_chunk_streams_have_numbers_of_one_to_three_bytes() -> None:
    plain = chunk(8, b"a", number=4)
    two, three = b"\x00\x10" + plain[1:], b"\x01\x10\x20" + plain[1:]
    assert [m.body for m in after_handshake(plain, two, three)] == [b"a"] * 3


def test_tiny_chunks_are_read_in_turns() -> None:
    body = bytes(range(100))
    size = chunk(1, (1).to_bytes(4, "big"), number=2)
    head = chunk(8, body, number=4)[:12]
    tiny = head + b"\xc4".join(body[i : i + 1] for i in range(100))
    parser = Parser(lambda _: None)
    parser.receive(HANDSHAKE + size + tiny)
    assert (parser.messages(40), parser.more) == ([], True)
    assert (parser.messages(40), parser.more) == ([], True)
    assert [m.body for m in parser.messages(40)] == [body]
    assert not parser.more


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET / HTTP/1.1\r\n", "no RTMP"),
        (HANDSHAKE + b"\xc3", "without a header"),
        (HANDSHAKE + chunk(8, b"a", number=4) + b"\x83\x00\x00\x01", "without a header"),
        (HANDSHAKE + b"\x03\0\0\0\xff\xff\xff\x09\0\0\0\0", "16777215 bytes"),
        (HANDSHAKE + b"\x03\0\0\0\x02\0\0\x14\0\0\0\0", "131072 bytes, kind 20"),
        (HANDSHAKE + chunk(1, bytes(4), number=2), "chunks of 0 bytes"),
        (HANDSHAKE + chunk(1, b"\x7f\xff\xff\xff", number=2), "chunks of 2147483647"),
        (HANDSHAKE + chunk(1, b"", number=2), "chunks of 0 bytes"),
        (HANDSHAKE + b"".join(chunk(8, b"a", number=n) for n in range(3, 36)), "chunk streams"),
        (HANDSHAKE + chunk(22, b"\x08" + bytes(16000), number=5), "too many tags"),
    ],
)
def test_what_no_publisher_sends_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        read(data)


def test_unfinished_messages_together_are_bounded() -> None:
    size = chunk(1, (4 << 20).to_bytes(4, "big"), number=2)
    most = b"\x00\x00\x00" + (4 << 20).to_bytes(3, "big") + b"\x09" + bytes(4)
    parser = Parser(lambda _: None)
    parser.receive(HANDSHAKE + size + chunk(1, (3 << 20).to_bytes(4, "big"), number=2))
    for number in (4, 5):
        parser.receive(bytes((number,)) + most + bytes(3 << 20))
        assert parser.messages(ALL) == []
    parser.receive(b"\x06" + most + bytes(3 << 20))
    with pytest.raises(ProtocolError, match="too many unfinished"):
        parser.messages(ALL)


def test_what_the_server_sends_is_read_by_the_same_rules() -> None:
    body = bytes(range(256)) * 40
    # The parser believes in chunks of 128 bytes until it is told otherwise.
    size = chunk(1, (4096).to_bytes(4, "big"), number=2)
    found = after_handshake(size, message(5, 20, 1, body))
    assert [(m.kind, m.stream, m.body) for m in found] == [(20, 1, body)]
