"""Packets that the system drops before libsrt sees them, by a filter on the listener's socket.

One thread of libsrt's takes all packets of all publishers, and what it does with one, all wait for.

- A drop request names a range of packets, and libsrt goes through it one by one, however long it
  is: one packet of 24 bytes stops everything for half a minute. What no sender leaves out at once
  is dropped here.
- A publisher that encrypts may send new keys, each of which costs milliseconds; and where the
  connection is closed meanwhile, libsrt goes on with memory that it has freed. Programs change keys
  after 2^24 packets: who has not sent so many has none to send.
- Each handshake that is answered costs some time. An address that goes on and on although it is
  refused is not even answered for a while. Only its handshakes are dropped, not what publishers
  send who are connected already, such as others behind the same address. It has shown by its cookie
  that the address is its own.

The filter is a program of classic BPF (Linux, ``filter.rst``); every user may attach one to a
socket of their own. Where the system has none, libsrt sees all (decision 0112).
"""

import contextlib
import ctypes
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Final

from shared.caller_identity import parsed_address

SECONDS: Final = 10.0
# The kernel bounds how long a program may be; behind more addresses there is a crowd.
MAX_ADDRESSES: Final = 64
# Longer ranges are packets that the receiver has given up itself before it hears of them.
MAX_DROPPED: Final = 256
# Handshakes, ranges that are dropped, and SRT's own type, of which keys are.
_HANDSHAKE, _DROP_REQUEST, _KEYS = 0x80000000, 0x80070000, 0xFFFF0000
_SO_ATTACH_FILTER: Final = 26
# linux/filter.h: loads of 4 bytes, of 2 and of 1; sums; comparisons; the verdict.
_LOAD, _LOAD_TWO, _LOAD_ONE = 0x20, 0x28, 0x30
_AND, _TO_X, _SUBTRACT_X, _JUMP, _EQUAL, _GREATER = 0x54, 0x07, 0x1C, 0x05, 0x15, 0x25
_RETURN: Final = 0x06
_DROP, _PASS = 0, 0xFFFFFFFF
# SKF_NET_OFF: where the IP header begins. The packet itself begins with the header of UDP.
_IP: Final = 0x100000000 - 0x100000
_IPV4_SOURCE, _IPV6_SOURCE, _PORT = _IP + 12, _IP + 8, 0
# The first word of SRT's header, the fourth, and what follows it.
_KIND, _TO, _BODY = 8, 20, 24
_NUMBERS: Final = 0x7FFFFFFF

Code = tuple[int, int, int, int]
Prefix = tuple[int, ...]
Place = tuple[str, int]
"""The address and the port that a publisher sends from."""


class Doorstep:
    """The filter of a socket. ``clock``: steady, in seconds."""

    def __init__(
        self, listener: socket.socket, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._socket = listener
        self._clock = clock
        self._lock = threading.Lock()
        self._shut: dict[Prefix, float] = {}
        self._trusted: dict[Place, Prefix] = {}
        with self._lock:
            self._attach()

    def shut(self, address: str) -> None:
        """Drop the handshakes of an address for some seconds."""
        prefix = _prefix(address)
        with self._lock:
            if prefix not in self._shut and len(self._shut) < MAX_ADDRESSES:
                self._shut[prefix] = self._clock() + SECONDS
                self._attach()

    def tidy(self) -> None:
        """Answer those again whose time is over."""
        now = self._clock()
        with self._lock:
            over = [prefix for prefix, until in self._shut.items() if until <= now]
            for prefix in over:
                del self._shut[prefix]
            if over:
                self._attach()

    def trust(self, place: Place) -> None:
        """Let a publisher send new keys."""
        with self._lock:
            if len(self._trusted) < MAX_ADDRESSES:
                self._trusted[place] = _prefix(place[0])
                self._attach()

    def distrust(self, place: Place) -> bool:
        """Let it send none any more; whether it could."""
        with self._lock:
            if self._trusted.pop(place, None) is None:
                return False
            self._attach()
        return True

    def _attach(self) -> None:
        trusted = [(prefix, port) for (_, port), prefix in self._trusted.items()]
        codes = b"".join(struct.pack("=HBBI", *code) for code in program(self._shut, trusted))
        kept = ctypes.create_string_buffer(codes, len(codes))
        where = struct.pack("HP", len(codes) // 8, ctypes.addressof(kept))
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)


def program(shut: Iterable[Prefix], trusted: Iterable[tuple[Prefix, int]]) -> list[Code]:
    """The filter. ``shut``: whose handshakes are dropped; ``trusted``: whose keys are not."""
    handshakes = _sources([(prefix, None) for prefix in shut], _DROP, _PASS)
    return [
        (_LOAD, 0, 0, _KIND),
        (_AND, 0, 0, 0xFFFF0000),
        (_EQUAL, 0, 7, _DROP_REQUEST),
        # How many packets from the first one to the last.
        (_LOAD, 0, 0, _BODY),
        (_TO_X, 0, 0, 0),
        (_LOAD, 0, 0, _BODY + 4),
        (_SUBTRACT_X, 0, 0, 0),
        (_AND, 0, 0, _NUMBERS),
        (_GREATER, 0, 4, MAX_DROPPED),
        (_RETURN, 0, 0, _DROP),
        (_EQUAL, 3, 0, _HANDSHAKE),
        (_EQUAL, 0, 1, _KEYS),
        (_JUMP, 0, 0, 4 + len(handshakes)),
        (_RETURN, 0, 0, _PASS),
        (_LOAD, 0, 0, _TO),
        # To a connection that there is.
        (_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, _PASS),
        *handshakes,
        *_sources(trusted, _PASS, _DROP),
    ]


def _sources(sources: Iterable[tuple[Prefix, int | None]], listed: int, others: int) -> list[Code]:
    """The verdict on a packet by where it comes from."""
    four: list[Code] = []
    six: list[Code] = []
    for prefix, port in sources:
        verdict: list[Code] = [(_RETURN, 0, 0, listed)]
        if port is not None:
            verdict = [(_LOAD_TWO, 0, 0, _PORT), (_EQUAL, 0, 1, port), *verdict]
        if len(prefix) == 1:
            four += [(_LOAD, 0, 0, _IPV4_SOURCE), (_EQUAL, 0, len(verdict), prefix[0]), *verdict]
        else:
            six += [(_LOAD, 0, 0, _IPV6_SOURCE), (_EQUAL, 0, 2 + len(verdict), prefix[0])]
            six += [(_LOAD, 0, 0, _IPV6_SOURCE + 4), (_EQUAL, 0, len(verdict), prefix[1])]
            six += verdict
    end: Code = (_RETURN, 0, 0, others)
    version: list[Code] = [
        (_LOAD_ONE, 0, 0, _IP),
        (_AND, 0, 0, 0xF0),
        (_EQUAL, 1, 0, 0x40),
        (_JUMP, 0, 0, len(four) + 1),
    ]
    return [*version, *four, end, *six, end]


def _prefix(address: str) -> Prefix:
    """What one customer has: an IPv4 address, or the first 64 bits of an IPv6 address."""
    parsed = parsed_address(address)
    if isinstance(parsed, IPv4Address):
        return (int(parsed),)
    return (int(parsed) >> 96, int(parsed) >> 64 & 0xFFFFFFFF)
