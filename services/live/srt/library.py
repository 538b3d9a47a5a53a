"""libsrt (Haivision SRT 1.5) through ctypes: only what a listener and a caller need.

Numbers are those of ``srt.h``. Every function here may be called from any thread.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

import msgspec

# enum SRT_SOCKOPT
_SEND_BUFFER: Final = 5
_SEND_TIMEOUT: Final = 13
_RECEIVE_TIMEOUT: Final = 14
_LATENCY: Final = 23
_PASSPHRASE: Final = 26
_TOO_LATE_DROP: Final = 31
_CONNECT_TIMEOUT: Final = 36
_PEER_VERSION_AT_LEAST: Final = 45
_STREAM_ID: Final = 46
_MAX_STREAM_ID: Final = 512
# sizeof(struct sockaddr_storage)
_ADDRESS_BYTES: Final = 128
# sizeof(struct sockaddr_in6): libsrt has room for one also where it is sockaddr_in.
_LONGEST_ADDRESS: Final = 28
# SRT 1.3.0, the first with stream ids.
_OLDEST_PEER: Final = 0x010300
_BACKLOG: Final = 64
# LOG_CRIT of syslog.
_CRITICAL: Final = 2
# A message of live mode: at most one UDP payload.
MESSAGE_BYTES: Final = 1500
# What waits to be sent, or to be acknowledged, in libsrt.
SEND_BYTES: Final = 4 << 20
# The longest that a call of a caller lasts, in milliseconds.
_CONNECT_MS: Final = 5_000
_SEND_MS: Final = 500
# SRT_ETIMEOUT
_TIMED_OUT: Final = 6003

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
)


class SrtError(Exception):
    """libsrt refused a call; the message is its own."""


class CallRefused(SrtError):
    """A listener has not accepted a caller. ``code``: enum SRT_REJECT_REASON, or a listener's own
    from 1000 on."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


class Call(msgspec.Struct, frozen=True):
    """What a caller says. ``stream_id`` may be empty."""

    stream_id: str
    passphrase: str | None
    latency_ms: int

    def __repr__(self) -> str:
        return "Call(***)"


class Admitted(msgspec.Struct, frozen=True):
    """A caller that may go on. With ``passphrase``, it must know the same."""

    passphrase: str | None = None


class Rejected(msgspec.Struct, frozen=True):
    """A caller that is refused in the handshake. ``code`` is 1000 and an HTTP status."""

    code: int


Admit = Callable[[str, str], Admitted | Rejected]
"""Decides by the stream id and the caller's address. It runs in libsrt's own thread, which all
handshakes and packets wait for. Only after it does libsrt keep anything of the caller."""


class Library:
    """The loaded library. Raises SrtError where it cannot be loaded."""

    def __init__(self, path: str) -> None:
        try:
            self._lib = ctypes.CDLL(path)
        except OSError as error:
            raise SrtError(f"libsrt cannot be loaded: {error}") from error
        self._lib.srt_getlasterror_str.restype = ctypes.c_char_p
        # Otherwise each refused handshake writes to standard error.
        self._lib.srt_setloglevel(_CRITICAL)
        if self._lib.srt_startup() < 0:
            raise SrtError(self._last_error())
        # ctypes does not keep callbacks alive.
        self._callbacks: list[object] = []

    def listen(self, address: str, port: int, latency_ms: int, admit: Admit) -> int:
        """A socket that listens on UDP. Raises SrtError, e.g. where the port is taken."""
        handle = self._lib.srt_create_socket()
        self._option(handle, _LATENCY, latency_ms)
        self._option(handle, _PEER_VERSION_AT_LEAST, _OLDEST_PEER)

        def asked(_: int, caller: int, _version: int, peer: int, stream_id: bytes | None) -> int:
            place = ctypes.string_at(peer, _LONGEST_ADDRESS)
            verdict = admit((stream_id or b"").decode(errors="replace"), _host(place))
            if isinstance(verdict, Rejected):
                self._lib.srt_setrejectreason(caller, verdict.code)
                return -1
            if verdict.passphrase is not None:
                self._text(caller, _PASSPHRASE, verdict.passphrase)
            return 0

        callback = _Callback(asked)
        self._callbacks.append(callback)
        place = _socket_address(address, port)
        try:
            self._check(self._lib.srt_bind(handle, place, len(place)))
            self._check(self._lib.srt_listen_callback(handle, callback, None))
            self._check(self._lib.srt_listen(handle, _BACKLOG))
        except SrtError:
            self.close(handle)
            raise
        return handle

    def port(self, listener: int) -> int:
        """The UDP port of a socket that listens."""
        place = ctypes.create_string_buffer(_ADDRESS_BYTES)
        size = ctypes.c_int(_ADDRESS_BYTES)
        self._check(self._lib.srt_getsockname(listener, place, ctypes.byref(size)))
        return int.from_bytes(place.raw[2:4], "big")

    def peer(self, handle: int) -> str:
        """The address that a caller sends from."""
        place = ctypes.create_string_buffer(_ADDRESS_BYTES)
        size = ctypes.c_int(_ADDRESS_BYTES)
        self._check(self._lib.srt_getpeername(handle, place, ctypes.byref(size)))
        return _host(place.raw)

    def accept(self, listener: int) -> int | None:
        """The next caller, once its handshake is done; None once ``listener`` is closed."""
        handle = self._lib.srt_accept(listener, None, None)
        return handle if handle >= 0 else None

    def stream_id(self, handle: int) -> str:
        """The stream id that a caller sent."""
        size = ctypes.c_int(_MAX_STREAM_ID)
        value = ctypes.create_string_buffer(_MAX_STREAM_ID)
        self._check(
            self._lib.srt_getsockflag(handle, _STREAM_ID, ctypes.byref(value), ctypes.byref(size))
        )
        return value.raw[: size.value].decode(errors="replace")

    def set_idle_limit(self, handle: int, seconds: float) -> None:
        """End ``receive`` after so long without a message."""
        self._option(handle, _RECEIVE_TIMEOUT, int(seconds * 1000))

    def receive(self, handle: int, buffer: "ctypes.Array[ctypes.c_char]") -> int:
        """Wait for one message and return its length in bytes; 0 at the end or when idle."""
        return max(0, self._lib.srt_recvmsg(handle, buffer, len(buffer)))

    def call(self, address: str, port: int, call: Call) -> int:
        """Wait for a listener's answer; a socket that sends. Raises CallRefused, SrtError."""
        handle = self._lib.srt_create_socket()
        try:
            self._option(handle, _LATENCY, call.latency_ms)
            self._option(handle, _CONNECT_TIMEOUT, _CONNECT_MS)
            self._option(handle, _SEND_TIMEOUT, _SEND_MS)
            self._option(handle, _SEND_BUFFER, SEND_BYTES)
            # libsrt would leave out packets; the sender is to wait, and leave out pictures.
            self._option(handle, _TOO_LATE_DROP, 0)
            if call.stream_id:
                self._check(self._text(handle, _STREAM_ID, call.stream_id))
            if call.passphrase is not None:
                self._check(self._text(handle, _PASSPHRASE, call.passphrase))
            place = _socket_address(address, port)
            if self._lib.srt_connect(handle, place, len(place)) < 0:
                raise CallRefused(self._lib.srt_getrejectreason(handle))
        except (SrtError, OSError):
            self.close(handle)
            raise
        return handle

    def send(self, handle: int, message: bytes) -> bool:
        """Send a message; False where there was no room for it. Raises SrtError at the end."""
        if self._lib.srt_send(handle, message, len(message)) >= 0:
            return True
        if self._lib.srt_getlasterror(None) == _TIMED_OUT:
            return False
        raise SrtError(self._last_error())

    def close(self, handle: int) -> None:
        """Close a socket; calls that wait on it return."""
        self._lib.srt_close(handle)

    def _option(self, handle: int, option: int, value: int) -> None:
        number = ctypes.c_int(value)
        self._check(
            self._lib.srt_setsockflag(handle, option, ctypes.byref(number), ctypes.sizeof(number))
        )

    def _text(self, handle: int, option: int, text: str) -> int:
        value = text.encode()
        return self._lib.srt_setsockflag(handle, option, value, len(value))

    def _check(self, result: int) -> None:
        if result < 0:
            raise SrtError(self._last_error())

    def _last_error(self) -> str:
        return bytes(self._lib.srt_getlasterror_str()).decode(errors="replace")


def _host(place: bytes) -> str:
    """The numeric address in a ``struct sockaddr_in`` or ``sockaddr_in6``."""
    if int.from_bytes(place[:2], sys.byteorder) == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, place[8:24])
    return socket.inet_ntop(socket.AF_INET, place[4:8])


def _socket_address(address: str, port: int) -> bytes:
    """``struct sockaddr_in`` or ``sockaddr_in6`` of a numeric address."""
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address)
        return struct.pack("=H", socket.AF_INET6) + struct.pack(">HI16sI", port, 0, packed, 0)
    packed = socket.inet_pton(socket.AF_INET, address)
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", port, packed)
