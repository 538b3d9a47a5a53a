"""What the system drops before libsrt sees it, on real sockets."""

import socket
import struct
from collections.abc import Iterator

import pytest

from services.live.srt.doorstep import MAX_DROPPED, SECONDS, Doorstep

HANDSHAKE, KEYS, DROP_REQUEST, KEEPALIVE = 0x80000000, 0xFFFF0003, 0x80070000, 0x80010000


def control(kind: int, body: bytes = b"", to: int = 7) -> bytes:
    return struct.pack(">IIII", kind, 0, 0, to) + body


def left_out(first: int, last: int) -> bytes:
    return control(DROP_REQUEST, struct.pack(">II", first, last))


class Port:
    """A socket with the filter, and who sends to it."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.now = 1000.0
        self.host = host
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.settimeout(60)
        self.doorstep = Doorstep(self._socket, lambda: self.now)
        self._sender = socket.socket(family, socket.SOCK_DGRAM)
        self._sender.connect(self._socket.getsockname()[:2])
        self.sender_port: int = self._sender.getsockname()[1]

    def passes(self, packet: bytes) -> bool:
        """Whether it arrives before what is sent after it."""
        end = b"\0" * 16 + b"the end"
        self._sender.send(packet)
        self._sender.send(end)
        first = self._socket.recv(2000)
        if first == packet:
            assert self._socket.recv(2000) == end
        return first == packet

    def close(self) -> None:
        self._socket.close()
        self._sender.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def port(request: pytest.FixtureRequest) -> Iterator[Port]:
    made = Port(request.param)
    yield made
    made.close()


def test_long_ranges_are_dropped(port: Port) -> None:
    assert port.passes(left_out(1000, 1000 + MAX_DROPPED))
    assert port.passes(left_out(0x7FFFFFF0, 0x10))
    assert not port.passes(left_out(1000, 1001 + MAX_DROPPED))
    assert not port.passes(left_out(1000, 1_000_001_000))
    assert not port.passes(left_out(1001, 1000))


def test_keys_are_for_who_has_sent_much(port: Port) -> None:
    assert not port.passes(control(KEYS, bytes(72)))
    port.doorstep.trust((port.host, port.sender_port ^ 1))
    assert not port.passes(control(KEYS, bytes(72)))
    port.doorstep.trust((port.host, port.sender_port))
    assert port.passes(control(KEYS, bytes(72)))
    assert port.doorstep.distrust((port.host, port.sender_port))
    assert not port.doorstep.distrust((port.host, port.sender_port))
    assert not port.passes(control(KEYS, bytes(72)))


def test_handshakes_of_who_insists_are_dropped_for_a_while(port: Port) -> None:
    assert port.passes(control(HANDSHAKE, bytes(48), to=0))
    port.doorstep.shut(port.host)
    port.doorstep.shut("192.0.2.1")
    port.doorstep.shut("2001:db8::1")
    assert not port.passes(control(HANDSHAKE, bytes(48), to=0))
    # Of who is connected already: a handshake to that connection, and anything else.
    assert port.passes(control(HANDSHAKE, bytes(48)))
    assert port.passes(control(KEEPALIVE))
    assert port.passes(bytes(1316))
    port.now += SECONDS
    port.doorstep.tidy()
    assert port.passes(control(HANDSHAKE, bytes(48), to=0))
