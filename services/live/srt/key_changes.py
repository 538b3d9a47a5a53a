"""Who asks for new keys all the time: each costs libsrt's one thread some milliseconds.

A publisher that encrypts changes its key after millions of packets, when the doorstep lets it, and
asks some ten times until it is answered. libsrt cannot be told to count, so the system gives one in
four of these packets to a second socket on the same port, where they are counted; the publisher
asks again.
"""

import ctypes
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.live.srt.doorstep import Place

SECONDS: Final = 10.0
MOST: Final = 8
"""Packets that are seen of one publisher in so many seconds; it has sent four times as many."""
_MAX_SEEN: Final = 1000
# asm/socket.h
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
# linux/filter.h: a load of 4 bytes; a comparison; the verdict, which is the number of the socket.
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
# SKF_AD_OFF and SKF_AD_RANDOM: a random number in place of one from the packet.
_RANDOM: Final = 0x100000000 - 0x1000 + 56
_LIBSRT, _HERE = 0, 1
# Control packets of a type of its own (UMSG_EXT), as those with keys are.
_PROGRAM: Final = (
    (_LOAD, 0, 0, 0),
    (_AND, 0, 0, 0xFFFF0000),
    (_EQUAL, 1, 0, 0xFFFF0000),
    (_RETURN, 0, 0, _LIBSRT),
    (_LOAD, 0, 0, _RANDOM),
    (_AND, 0, 0, 3),
    (_EQUAL, 1, 0, 0),
    (_RETURN, 0, 0, _LIBSRT),
    (_RETURN, 0, 0, _HERE),
)


class KeyChanges:
    """Beside ``listener``, which is bound. ``clock``: steady, in seconds. Where the system cannot
    do it, nothing is counted."""

    def __init__(
        self, listener: socket.socket, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._seen: deque[tuple[Place, float]] = deque(maxlen=_MAX_SEEN)
        self._socket = socket.socket(listener.family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with suppress(OSError):
            _share(listener, self._socket)

    def insistent(self) -> set[Place]:
        """Who asks too often."""
        now = self._clock()
        # The port of a socket that is not bound has nothing.
        with suppress(BlockingIOError):
            for _ in range(_MAX_SEEN):
                _, (host, port, *_) = self._socket.recvfrom(1)
                self._seen.append(((host, port), now))
        while self._seen and self._seen[0][1] <= now - SECONDS:
            self._seen.popleft()
        places = [place for place, _ in self._seen]
        return {place for place in set(places) if places.count(place) > MOST}

    def close(self) -> None:
        """Count no more."""
        self._socket.close()


def _share(listener: socket.socket, second: socket.socket) -> None:
    """Bind the second one to the same port. Whoever comes later binds without sharing at first, as
    ``listener`` did, and is refused. Raises OSError."""
    for each in (listener, second):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    second.bind(listener.getsockname())
    codes = b"".join(struct.pack("=HBBI", *code) for code in _PROGRAM)
    kept = ctypes.create_string_buffer(codes, len(codes))
    where = struct.pack("HP", len(_PROGRAM), ctypes.addressof(kept))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, where)
