"""A UDP port where publishers call, through libsrt: who is let in, and who was."""

import ctypes
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from services.live.srt.calls import SrtError
from services.live.srt.doorstep import Doorstep, Place
from services.live.srt.key_changes import KeyChanges
from services.live.srt.library import (
    LATENCY,
    PASSPHRASE,
    PEER_VERSION_AT_LEAST,
    RECEIVE_WAITS,
    WAIT_MS,
    Library,
    host_of,
)
from shared.telemetry import get_logger

_log = get_logger(__name__)

# sizeof(struct sockaddr_in6): libsrt has room for one also where it is sockaddr_in.
_LONGEST_ADDRESS: Final = 28
# SRT 1.3.0, the first with stream ids.
_OLDEST_PEER: Final = 0x010300
_BACKLOG: Final = 64
# enum SRT_EPOLL_OPT
_READABLE: Final = 1

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
)


class Admitted(msgspec.Struct, frozen=True):
    """A caller that may go on. With ``passphrase``, it must know the same."""

    passphrase: str | None = None


class Rejected(msgspec.Struct, frozen=True):
    """A caller that is refused in the handshake. ``code`` is 1000 and an HTTP status. ``insists``:
    its address was refused so often that it is to be answered no more for a while."""

    code: int
    insists: bool = False


Admit = Callable[[str, str], Admitted | Rejected]
"""Decides by the stream id and the caller's address. It runs in libsrt's own thread, which all
handshakes and packets wait for. Only after it does libsrt keep anything of the caller."""


class Listening:
    """Listens until ``close``. Raises SrtError, e.g. where the port is taken."""

    def __init__(
        self, library: Library, address: str, port: int, latency_ms: int, admit: Admit
    ) -> None:
        self._library = library
        self._admit = admit
        # ctypes does not keep it alive.
        self._callback = _Callback(self._asked)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self.doorstep = Doorstep(self._udp)
        try:
            self._udp.bind((address, port))
            self._key_changes = KeyChanges(self._udp)
            with library.calls.one():
                self._handle: int = library.raw.srt_create_socket()
                library.opened(self._handle)
                self._listen(latency_ms)
        except OSError as error:
            self._udp.close()
            raise SrtError(str(error)) from error
        except SrtError:
            library.close(self._handle)
            self._key_changes.close()
            self._udp.close()
            raise
        self.port: Final[int] = self._udp.getsockname()[1]

    def _listen(self, latency_ms: int) -> None:
        library, raw, handle = self._library, self._library.raw, self._handle
        library.set_number(handle, LATENCY, latency_ms)
        library.set_number(handle, PEER_VERSION_AT_LEAST, _OLDEST_PEER)
        library.set_number(handle, RECEIVE_WAITS, 0)
        # libsrt closes the one that it gets.
        library.check(raw.srt_bind_acquire(handle, os.dup(self._udp.fileno())))
        library.check(raw.srt_listen_callback(handle, self._callback, None))
        library.check(raw.srt_listen(handle, _BACKLOG))
        self._waiting: int = raw.srt_epoll_create()
        what = ctypes.c_int(_READABLE)
        library.check(raw.srt_epoll_add_usock(self._waiting, handle, ctypes.byref(what)))

    def accept(self) -> int | None:
        """The next caller, once its handshake is done; None where there is none for a moment.
        Raises SrtError at the end."""
        raw = self._library.raw
        found, count = ctypes.c_int(), ctypes.c_int(1)
        wait = (ctypes.c_int64(WAIT_MS), None, None, None, None)
        self.doorstep.tidy()
        with self._library.calls.one():
            ready = raw.srt_epoll_wait(
                self._waiting, ctypes.byref(found), ctypes.byref(count), None, None, *wait
            )
            handle: int = raw.srt_accept(self._handle, None, None) if ready > 0 else -1
            if handle < 0:
                return None
            self._library.opened(handle)
        return handle

    def insistent(self) -> set[Place]:
        """Where publishers are that ask for new keys all the time."""
        return self._key_changes.insistent()

    def close(self) -> None:
        """Refuse all further callers. No thread is in ``accept``."""
        with suppress(SrtError), self._library.calls.one():
            self._library.raw.srt_epoll_release(self._waiting)
        self._library.close(self._handle)
        self._key_changes.close()
        self._udp.close()

    def _asked(self, _: int, caller: int, _version: int, peer: int, stream_id: bytes | None) -> int:
        """libsrt takes whoever is answered 0, and what ctypes answers for an exception is that."""
        try:
            host = host_of(ctypes.string_at(peer, _LONGEST_ADDRESS))
            verdict = self._admit((stream_id or b"").decode(errors="replace"), host)
            if isinstance(verdict, Admitted):
                if verdict.passphrase is not None:
                    self._library.set_text(caller, PASSPHRASE, verdict.passphrase)
                return 0
            if verdict.insists:
                self.doorstep.shut(host)
            self._library.raw.srt_setrejectreason(caller, verdict.code)
        except Exception:
            _log.exception("a handshake failed")
        return -1
