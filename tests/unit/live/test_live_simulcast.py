"""Simulcast targets: addresses, keys, what waits for a slow one, the bytes that are sent."""

import msgspec
import pytest

from services.live.flv.tags import AUDIO, SCRIPT, VIDEO, Tag, content
from services.live.rtmp.wire import Parser
from services.live.simulcast.backlog import MAX_BYTES, MAX_MS, Backlog
from services.live.simulcast.handling import NewTarget
from services.live.simulcast.outgoing import media
from services.live.simulcast.sealing import Sealer, Unsealable
from services.live.simulcast.targets import checked_key, delay, read_place, shown_words
from shared.errors import InvalidInput
from shared.public_addresses import Reach

PUBLIC = Reach()
LOCAL = Reach.parse("127.0.0.0/8")
KEY, FRAME, HEADER = b"\x17\1\0\0\0", b"\x27\1\0\0\0", b"\x17\0\0\0\0avc"
SOUND, SOUND_HEADER = b"\xaf\1x", b"\xaf\0hd"


@pytest.mark.parametrize(
    ("url", "host", "port", "application", "shown"),
    [
        ("rtmp://a.example.com/live2", "a.example.com", 1935, "live2", None),
        (
            "rtmps://a.example.com:443/rtmp/",
            "a.example.com",
            443,
            "rtmp",
            "rtmps://a.example.com/rtmp",
        ),
        ("rtmp://8.8.8.8:1936/a/b", "8.8.8.8", 1936, "a/b", None),
        ("rtmp://[2a00:1450:4001::1]/x", "2a00:1450:4001::1", 1935, "x", None),
    ],
)
def test_a_target_has_a_place(
    url: str, host: str, port: int, application: str, shown: str | None
) -> None:
    place = read_place(url, PUBLIC)
    assert (place.host, place.port, place.application) == (host, port, application)
    assert place.url == (shown or url)
    assert read_place(place.url, PUBLIC) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a.example.com/live",
        "srt://a.example.com",
        "file:///etc/passwd",
        "rtmp://a.example.com",
        "rtmp://a.example.com/",
        "rtmp:///live",
        "rtmp://me:secret@a.example.com/live",
        "rtmp://a.example.com/live?key=1",
        "rtmp://a.example.com/live#x",
        "rtmp://a.example.com:0/live",
        "rtmp://a.example.com:99999/live",
        "rtmp://a.example.com/li ve",
        "rtmp://a.example.com/live\r\nx",
        "rtmp://localhost/live",
        "rtmp://postgresql/live",
        "rtmp://127.0.0.1/live",
        "rtmp://127.1/live",
        "rtmp://0x7f000001/live",
        "rtmp://2130706433/live",
        "rtmp://10.0.0.8/live",
        "rtmp://169.254.169.254/latest",
        "rtmp://[::1]/live",
        "rtmp://[::ffff:10.0.0.1]/live",
        "rtmp://a.example.com/" + "x" * 500,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        read_place(url, PUBLIC)


def test_networks_may_be_allowed() -> None:
    assert read_place("rtmp://127.0.0.1/live", LOCAL).host == "127.0.0.1"
    with pytest.raises(InvalidInput):
        read_place("rtmp://10.0.0.1/live", LOCAL)


@pytest.mark.parametrize("key", ["", "  ", "a b", "a\nb", "ä", "x" * 501])
def test_a_refused_key_is_not_repeated(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_key(key)
    assert len(key.strip()) < 2 or key not in str(refused.value)


def test_a_key_is_encrypted_for_its_target() -> None:
    sealer = Sealer("a secret of the installation, random")
    sealed = sealer.seal("one", "k-123")
    assert b"k-123" not in sealed
    assert sealer.seal("one", "k-123") != sealed
    assert sealer.open("one", sealed) == "k-123"
    for other, target in ((sealer, "two"), (Sealer("another secret"), "one")):
        with pytest.raises(Unsealable):
            other.open(target, sealed)
    assert "k-123" not in repr(NewTarget(url="rtmp://a.example.com/x", stream_key="k-123"))


def test_words_of_a_target_have_no_key_and_no_control_characters() -> None:
    said = shown_words("Bad\x1b[31m name:\nk-123?x=1 k-123 " + "y" * 500, "k-123?x=1")
    assert "k-123" not in said
    assert said.isprintable()
    assert len(said) == 200


def test_tries_end() -> None:
    delays = [delay(failures) for failures in range(1, 10)]
    assert delays[-1] is None
    assert delays[:-1] == sorted(each for each in delays if each is not None)


def add(backlog: Backlog, kind: int, at: int, body: bytes) -> None:
    tag = Tag(kind, at, body)
    backlog.add(tag, None if kind == SCRIPT else content(tag))


def taken(backlog: Backlog) -> list[tuple[int, int, bytes]]:
    found = []
    while len(backlog):
        found.append(msgspec.structs.astuple(backlog.take()))
    return found


def test_a_connection_begins_with_headers_and_a_key_picture() -> None:
    backlog = Backlog({VIDEO: Tag(VIDEO, 0, HEADER), SCRIPT: Tag(SCRIPT, 0, b"meta")})
    add(backlog, AUDIO, 10, SOUND_HEADER)
    add(backlog, VIDEO, 20, FRAME)
    add(backlog, AUDIO, 25, SOUND)
    assert taken(backlog) == []
    add(backlog, VIDEO, 40, KEY)
    add(backlog, VIDEO, 60, FRAME)
    begun = [(SCRIPT, 40, b"meta"), (VIDEO, 40, HEADER), (AUDIO, 40, SOUND_HEADER)]
    assert taken(backlog) == [*begun, (VIDEO, 40, KEY), (VIDEO, 60, FRAME)]
    assert backlog.dropped == 0
    backlog.restart()
    add(backlog, VIDEO, 80, FRAME)
    assert taken(backlog) == []
    add(backlog, VIDEO, 100, KEY)
    assert [kind for kind, _, _ in taken(backlog)] == [SCRIPT, VIDEO, AUDIO, VIDEO]


def test_a_slow_target_loses_the_oldest_groups_of_pictures() -> None:
    backlog = Backlog({VIDEO: Tag(VIDEO, 0, HEADER)})
    for at in range(0, MAX_MS + 2000, 100):
        add(backlog, VIDEO, at, KEY if at % 2000 == 0 else FRAME)
    found = taken(backlog)
    assert found[0][2] == HEADER
    assert found[1][2] == KEY
    assert found[1][1] > 0
    assert found[-1][1] == MAX_MS + 1900
    assert found[-1][1] - found[1][1] <= MAX_MS
    assert backlog.dropped == found[1][1] // 100


def test_what_waits_is_bounded_also_without_key_pictures() -> None:
    backlog = Backlog({})
    add(backlog, VIDEO, 0, KEY)
    for at in range(1, 40):
        add(backlog, VIDEO, at, FRAME + bytes(MAX_BYTES // 10))
        assert sum(len(waiting.tag.body) for waiting in backlog._tags) <= MAX_BYTES
    assert backlog.dropped
    add(backlog, VIDEO, 100, KEY)
    assert taken(backlog) == [(VIDEO, 100, KEY)]


@pytest.mark.parametrize("size", [1, 4096, 4097, 20_000])
@pytest.mark.parametrize("at", [0, 1, 0xFFFFFE, 0xFFFFFF, 0x1000000, 0xFFFFFFFF])
def test_what_is_sent_can_be_read(size: int, at: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    parser = Parser(lambda _: None)
    parser.greeted = True
    parser._chunk_bytes = 4096
    parser.receive(media(6, VIDEO, 1, at, body[:size]) + media(4, AUDIO, 1, at, b"x"))
    first, second = parser.messages(100)
    assert (first.kind, first.milliseconds, first.body) == (VIDEO, at, body[:size])
    assert (second.kind, second.milliseconds, second.body) == (AUDIO, at, b"x")
