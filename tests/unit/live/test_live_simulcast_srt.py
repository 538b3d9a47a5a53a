"""Simulcast targets by SRT: their addresses, what they want of callers, what a refusal means."""

import pytest

from services.live.simulcast.access import Access, read_target
from services.live.simulcast.by_srt import refusal
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.targets import SrtNotInstalled, read_place
from services.live.simulcast.transports import Transports
from services.live.srt.library import Call
from shared.errors import InvalidInput
from shared.public_addresses import Reach

PUBLIC = Reach()
HOST = "srt://a.example.com:9000"


@pytest.mark.parametrize(
    ("url", "stream_key", "shown", "stream_id", "passphrase"),
    [
        (HOST, "", HOST, "", None),
        (f"{HOST}/", " k-123 ", HOST, "k-123", None),
        (f"{HOST}?streamid=k-123&mode=caller", "", HOST, "k-123", None),
        (f"{HOST}?streamid=k%20%26+1=x", "", HOST, "k &+1=x", None),
        (f"{HOST}?passphrase=", "k", HOST, "k", None),
        # As programs write it, and as addresses have it.
        (f"{HOST}?streamid=#!::r=k,m=publish", "", HOST, "#!::r=k,m=publish", None),
        (f"{HOST}?streamid=%23!::r%3Dk", "", HOST, "#!::r=k", None),
        ("SRT://[2a00:1450:4001::1]:1?passphrase=0123456789", "", None, "", "0123456789"),
        (f"{HOST}?passphrase={'x' * 79}&streamid=k", "", HOST, "k", "x" * 79),
    ],
)
def test_a_target_by_srt_has_a_place_and_a_secret(
    url: str, stream_key: str, shown: str | None, stream_id: str, passphrase: str | None
) -> None:
    place, secret = read_target(url, stream_key, PUBLIC)
    assert place.url == (shown or "srt://[2a00:1450:4001::1]:1")
    assert read_place(place.url, PUBLIC) == place
    assert Access.parse(secret) == Access(stream_id, passphrase)


@pytest.mark.parametrize(
    ("url", "stream_key"),
    [
        ("srt://a.example.com", "secret-k"),
        ("srt://a.example.com:0", "secret-k"),
        ("srt://:9000?mode=listener", "secret-k"),
        (f"{HOST}/path", "secret-k"),
        (f"{HOST}#x", "secret-k"),
        ("srt://me:secret-k@a.example.com:9000", ""),
        (f"{HOST}?mode=listener&streamid=secret-k", ""),
        (f"{HOST}?mode=rendezvous&streamid=secret-k", ""),
        (f"{HOST}?latency=200&streamid=secret-k", ""),
        (f"{HOST}?secret-k", ""),
        (f"{HOST}?streamid=secret-k&streamid=secret-k", ""),
        (f"{HOST}?streamid=secret-k", "secret-k"),
        (f"{HOST}?streamid=secret-k%0A", ""),
        (f"{HOST}?streamid=secret-k%FF%00", ""),
        (f"{HOST}?passphrase=secret-k", ""),
        (f"{HOST}?passphrase=secret-k%0A0123456789", ""),
        (f"{HOST}?passphrase=secret-k{'x' * 72}", ""),
        (f"{HOST}?streamid={'%C3%A4' * 80}secret-k", "x"),
        (HOST, "secret k"),
        ("srt://10.0.0.1:9000?streamid=secret-k", ""),
        ("srt://127.1:9000?streamid=secret-k", ""),
        ("srt://localhost:9000?streamid=secret-k", ""),
        ("srt://[::ffff:10.0.0.1]:9000", "secret-k"),
        # RTMP has a key, and no query.
        ("rtmp://a.example.com/live", ""),
        ("rtmp://a.example.com/live?streamid=secret-k", "x"),
    ],
)
def test_others_are_refused_without_repeating_secrets(url: str, stream_key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_target(url, stream_key, PUBLIC)
    said = refused.value
    assert "secret" not in f"{said.message} {said.details}"


def test_secrets_are_not_shown() -> None:
    shown = f"{Access('k-123', 'p-0123456789')!r} {Call('k-123', 'p-0123456789', 120)!r}"
    assert "k-123" not in shown
    assert "p-0" not in shown


def test_without_libsrt_there_is_no_way_to_a_target_by_srt() -> None:
    place, secret = read_target(HOST, "k", PUBLIC)
    with pytest.raises(SrtNotInstalled) as refused:
        Transports(Dialer(PUBLIC), None).to(place, secret)
    assert refused.value.code == "srt_not_installed"
    assert "SRT is not installed here" in refused.value.message


@pytest.mark.parametrize(
    ("code", "encrypted", "words"),
    [
        (10, True, "The passphrase is wrong."),
        (11, True, "It takes no passphrase."),
        (11, False, "It wants a passphrase."),
        (16, False, "It does not answer."),
        (1401, False, "It refused the stream: the stream id is unknown."),
        (2, False, "It refused the stream."),
        (1499, False, "It refused the stream."),
        (2001, True, "It refused the stream."),
    ],
)
def test_a_refusal_has_words(code: int, encrypted: bool, words: str) -> None:
    assert refusal(code, encrypted=encrypted) == words
