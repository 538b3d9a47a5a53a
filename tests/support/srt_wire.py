"""A caller by SRT that says whatever a test wants: packets as bytes, without libsrt.

The format is that of draft-sharabayko-srt-01, 3: a header of sixteen bytes, then data or the body
of a control packet.
"""

import contextlib
import hashlib
import os
import socket
import struct
import time
from typing import Final, Self

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

KEEPALIVE, ACK, LOSS_REPORT, SHUTDOWN, ACK_OF_ACK, DROP_REQUEST = 1, 2, 3, 5, 6, 7
USER_DEFINED: Final = 0x7FFF
# Extensions of the handshake, also as subtypes of USER_DEFINED.
_SAYS_HELLO, KEY_MATERIAL, _STREAM_ID = 1, 3, 5
_INDUCTION, _CONCLUSION = 1, 0xFFFFFFFF
_VERSION: Final = 0x010501
_FLAGS: Final = 0x2F
_LATENCY_MS: Final = 120
_ANSWER_SECONDS: Final = 20.0
# A whole message, in order or not.
_ALONE: Final = 0xC0000000


class NotAccepted(Exception):
    """The listener has refused the handshake. ``code``: enum SRT_REJECT_REASON or its own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


class WireCaller:
    """A connection by hand; ``peer`` is what the listener calls it, ``number`` its first packet."""

    def __init__(self, port: int, host: str = "127.0.0.1", passphrase: str | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.socket.settimeout(_ANSWER_SECONDS)
        self.peer = 0
        self.number = 1000
        self._own = 77
        self._passphrase = passphrase
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def connect(self, stream_id: str) -> Self:
        """Raises NotAccepted, TimeoutError."""
        self.send(self.handshake(_INDUCTION))
        cookie = self._answer()[7]
        self.send(self.handshake(_CONCLUSION, cookie, stream_id))
        answer = self._answer()
        if 1000 <= answer[5] < _CONCLUSION - 2:
            raise NotAccepted(answer[5] - 1000)
        self.peer = answer[6]
        return self

    def handshake(self, kind: int = _CONCLUSION, cookie: int = 1, stream_id: str = "") -> bytes:
        """The packet of a handshake."""
        induction = kind == _INDUCTION
        extensions = b""
        if not induction:
            latency = _LATENCY_MS << 16 | _LATENCY_MS
            extensions = struct.pack(">HHIII", _SAYS_HELLO, 3, _VERSION, _FLAGS, latency)
            name = stream_id.encode()
            name += bytes(-len(name) % 4)
            words = b"".join(name[at : at + 4][::-1] for at in range(0, len(name), 4))
            extensions += struct.pack(">HH", _STREAM_ID, len(words) // 4) + words
            if self._passphrase is not None:
                key = key_material(self._passphrase)
                extensions += struct.pack(">HH", KEY_MATERIAL, len(key) // 4) + key
        body = struct.pack(
            ">IHHIIIIII16s",
            4 if induction else 5,
            0 if induction or self._passphrase is None else 2,
            2 if induction else 7 if self._passphrase is not None else 5,
            self.number,
            1500,
            8192,
            kind,
            self._own,
            cookie,
            bytes(16),
        )
        return self.control(0, body=body + extensions, to=0)

    def control(
        self,
        kind: int,
        info: int = 0,
        body: bytes = b"",
        *,
        subtype: int = 0,
        to: int | None = None,
    ) -> bytes:
        """A control packet."""
        head = 0x80000000 | kind << 16 | subtype
        peer = self.peer if to is None else to
        return struct.pack(">IIII", head, info, self._now(), peer) + body

    def data(self, number: int, payload: bytes, *, message: int = 1, again: bool = False) -> bytes:
        """A packet of data. ``number``: from the first one on."""
        flags = _ALONE | (0x04000000 if again else 0) | message & 0x03FFFFFF
        place = self.number + number & 0x7FFFFFFF
        return struct.pack(">IIII", place, flags, self._now(), self.peer) + payload

    def send(self, packet: bytes) -> None:
        """Whoever has ended the connection may have closed the port, too."""
        with contextlib.suppress(ConnectionRefusedError):
            self.socket.send(packet)

    def is_told_to_go(self, seconds: float) -> bool:
        """Whether the listener says within so long that the connection has ended."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                packet = self.socket.recv(2000)
            except (TimeoutError, ConnectionRefusedError):
                return False
            if packet[:2] == struct.pack(">H", 0x8000 | SHUTDOWN):
                return True
        return False

    def _now(self) -> int:
        """Microseconds since the beginning."""
        return int((time.monotonic() - self._begun) * 1e6) & 0xFFFFFFFF

    def _answer(self) -> tuple[int, ...]:
        """The fields of a handshake that answers: the seventh is the type."""
        while True:
            packet = self.socket.recv(2000)
            if packet[:4] == b"\x80\0\0\0":
                fields = struct.unpack_from(">IHHIIIIII", packet, 16)
                return (*fields[:4], fields[4], fields[6], fields[7], fields[8])


def key_material(passphrase: str) -> bytes:
    """A key for what is sent, wrapped with one that is made of the passphrase and a new salt."""
    salt = os.urandom(16)
    kept = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), salt[-8:], 2048, 16)
    head = struct.pack(">BHBIBBBBHBB", 0x12, 0x2029, 1, 0, 2, 0, 2, 0, 0, 4, 4)
    return head + salt + aes_key_wrap(kept, os.urandom(16))
