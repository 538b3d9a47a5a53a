"""libsrt (Haivision SRT 1.5) through ctypes: only what a publisher's connection and a caller need.

Numbers are those of ``srt.h``. Every function here may be called from any thread. libsrt frees a
socket a second after it was closed, whoever is still in a call on it: only a thread that is in none
closes it, and calls that wait return from time to time.

libsrt has threads of its own, which call back. They have to end before the interpreter does, and
what they use is freed when the process ends, so ``end`` comes before both. It closes each socket by
itself: where libsrt does so, it waits for ever for a handshake that waits for it.
"""

import atexit
import ctypes
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

import msgspec

from services.live.srt.calls import Calls, SrtError
from shared.telemetry import get_logger

_log = get_logger(__name__)

# enum SRT_SOCKOPT
RECEIVE_WAITS: Final = 2
_SEND_BUFFER: Final = 5
_SEND_TIMEOUT: Final = 13
_RECEIVE_TIMEOUT: Final = 14
LATENCY: Final = 23
PASSPHRASE: Final = 26
_TOO_LATE_DROP: Final = 31
_CONNECT_TIMEOUT: Final = 36
PEER_VERSION_AT_LEAST: Final = 45
_STREAM_ID: Final = 46
_MAX_STREAM_ID: Final = 512
# sizeof(struct sockaddr_storage)
_ADDRESS_BYTES: Final = 128
# LOG_CRIT of syslog.
_CRITICAL: Final = 2
# A message of live mode: at most one UDP payload.
MESSAGE_BYTES: Final = 1500
# What waits to be sent, or to be acknowledged, in libsrt.
SEND_BYTES: Final = 4 << 20
# The longest that a call of a caller lasts, in milliseconds.
_CONNECT_MS: Final = 5_000
_SEND_MS: Final = 500
# How long a call waits for a caller, or for a message.
WAIT_MS: Final = 250
# SRT_ETIMEOUT
_TIMED_OUT: Final = 6003
# How long the end of the process waits for calls that are under way; none lasts longer.
_END_SECONDS: Final = 10.0


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


class Library:
    """The loaded library, until ``end``, at the latest when the interpreter ends. Raises SrtError
    where it cannot be loaded.

    ``raw`` and ``calls`` are for who makes other calls than those below: each is counted.
    """

    def __init__(self, path: str) -> None:
        try:
            self.raw = ctypes.CDLL(path)
        except OSError as error:
            raise SrtError(f"libsrt cannot be loaded: {error}") from error
        self.raw.srt_getlasterror_str.restype = ctypes.c_char_p
        # Otherwise each refused handshake writes to standard error.
        self.raw.srt_setloglevel(_CRITICAL)
        self.check(self.raw.srt_startup())
        self.calls = Calls()
        self._open: dict[int, None] = {}
        atexit.register(self.end)

    def end(self) -> None:
        """End all connections and libsrt's threads. All other calls raise from now on."""
        atexit.unregister(self.end)
        if not self.calls.end(_END_SECONDS):
            _log.error("a call of libsrt does not return")
            return
        for handle in list(self._open):
            self.raw.srt_close(handle)
        self.raw.srt_cleanup()

    def opened(self, handle: int) -> None:
        """A socket that is to be closed by ``close``, or at the end."""
        self._open[handle] = None

    def peer(self, handle: int) -> tuple[str, int]:
        """The address and the port that a caller sends from. Raises SrtError."""
        place = ctypes.create_string_buffer(_ADDRESS_BYTES)
        size = ctypes.c_int(_ADDRESS_BYTES)
        with self.calls.one():
            self.check(self.raw.srt_getpeername(handle, place, ctypes.byref(size)))
        return host_of(place.raw), int.from_bytes(place.raw[2:4], "big")

    def stream_id(self, handle: int) -> str:
        """The stream id that a caller sent. Raises SrtError."""
        size = ctypes.c_int(_MAX_STREAM_ID)
        value = ctypes.create_string_buffer(_MAX_STREAM_ID)
        with self.calls.one():
            self.check(
                self.raw.srt_getsockflag(
                    handle, _STREAM_ID, ctypes.byref(value), ctypes.byref(size)
                )
            )
        return value.raw[: size.value].decode(errors="replace")

    def return_soon(self, handle: int) -> None:
        """Let ``receive`` wait, but not for long. Raises SrtError."""
        with self.calls.one():
            self.set_number(handle, RECEIVE_WAITS, 1)
            self.set_number(handle, _RECEIVE_TIMEOUT, WAIT_MS)

    def receive(self, handle: int, buffer: "ctypes.Array[ctypes.c_char]") -> int | None:
        """One message's length in bytes; 0 at the end, None where there is none for a moment."""
        try:
            with self.calls.one():
                length: int = self.raw.srt_recvmsg(handle, buffer, len(buffer))
                if length < 0 and self.raw.srt_getlasterror(None) == _TIMED_OUT:
                    return None
        except SrtError:
            return 0
        return max(0, length)

    def call(self, address: str, port: int, call: Call) -> int:
        """Wait for a listener's answer; a socket that sends. Raises CallRefused, SrtError."""
        with self.calls.one():
            handle = self.raw.srt_create_socket()
            try:
                self._call(handle, _socket_address(address, port), call)
            except (SrtError, OSError):
                self.raw.srt_close(handle)
                raise
            self.opened(handle)
        return handle

    def _call(self, handle: int, place: bytes, call: Call) -> None:
        self.set_number(handle, LATENCY, call.latency_ms)
        self.set_number(handle, _CONNECT_TIMEOUT, _CONNECT_MS)
        self.set_number(handle, _SEND_TIMEOUT, _SEND_MS)
        self.set_number(handle, _SEND_BUFFER, SEND_BYTES)
        # libsrt would leave out packets; the sender is to wait, and leave out pictures.
        self.set_number(handle, _TOO_LATE_DROP, 0)
        if call.stream_id:
            self.set_text(handle, _STREAM_ID, call.stream_id)
        if call.passphrase is not None:
            self.set_text(handle, PASSPHRASE, call.passphrase)
        if self.raw.srt_connect(handle, place, len(place)) < 0:
            raise CallRefused(self.raw.srt_getrejectreason(handle))

    def send(self, handle: int, message: bytes) -> bool:
        """Send a message; False where there was no room for it. Raises SrtError at the end."""
        with self.calls.one():
            if self.raw.srt_send(handle, message, len(message)) >= 0:
                return True
            if self.raw.srt_getlasterror(None) == _TIMED_OUT:
                return False
            raise SrtError(self._last_error())

    def close(self, handle: int) -> None:
        """Close a socket that no thread is in a call on."""
        # The end has closed it already.
        with suppress(SrtError), self.calls.one():
            self._open.pop(handle, None)
            self.raw.srt_close(handle)

    # Within a call.

    def set_number(self, handle: int, option: int, value: int) -> None:
        """Raises SrtError."""
        number = ctypes.c_int(value)
        self.check(
            self.raw.srt_setsockflag(handle, option, ctypes.byref(number), ctypes.sizeof(number))
        )

    def set_text(self, handle: int, option: int, text: str) -> None:
        """Raises SrtError."""
        value = text.encode()
        self.check(self.raw.srt_setsockflag(handle, option, value, len(value)))

    def check(self, result: int) -> None:
        """Raises SrtError where a call says that it failed."""
        if result < 0:
            raise SrtError(self._last_error())

    def _last_error(self) -> str:
        return bytes(self.raw.srt_getlasterror_str()).decode(errors="replace")


def host_of(place: bytes) -> str:
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
