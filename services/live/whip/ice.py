"""The way of a publisher's packets (ICE, RFC 8445), which can be replaced while it is connected.

aiortc has no restart of ICE. Below its transport lies a connection of aioice; a restart makes a
second one with new credentials and puts it there once it is connected. DTLS and all above go on.
This module reads members that are private; the version is pinned, and ``test_live_whip`` fails
where they change.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aioice import Candidate, Connection
from aiortc import RTCIceTransport

from services.live.whip.gate import Gate
from shared.telemetry import get_logger

_CONNECT_SECONDS: Final = 15.0
_MAX_CANDIDATES: Final = 32
_LOCAL_NAME: Final = ".local "
_LINE: Final = re.compile(r"a=(ice-ufrag|ice-pwd|candidate|mid):(.*)\Z")
# RFC 8839, 5.4: what a peer may call itself.
_USERNAME: Final = re.compile(r"[A-Za-z0-9+/]{4,256}\Z")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}\Z")


class UnusableFragment(Exception):
    """What came is not a fragment that can be used; the text is for the publisher."""


class NotConnected(Exception):
    """There is no connection yet, or no more, that could be restarted."""


class Fragment(msgspec.Struct, frozen=True):
    """What a fragment of SDP says (RFC 8840, 9). Without credentials it only adds candidates."""

    username: str
    password: str
    candidates: tuple[str, ...]

    @property
    def credentials(self) -> bool:
        """Whether the publisher can be called by it."""
        return bool(_USERNAME.match(self.username) and _PASSWORD.match(self.password))


def with_few_candidates(offer: str) -> str:
    """An offer (SDP) without those candidates that nobody asks: each is sent some packets, whoever
    it belongs to. A computer with many networks may have more. Names in the publisher's own network
    (mDNS) are none that this server finds; such publishers are seen when they call."""
    kept: list[str] = []
    candidates = 0
    for line in offer.splitlines(keepends=True):
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > _MAX_CANDIDATES or _LOCAL_NAME in line:
                continue
        kept.append(line)
    return "".join(kept)


def read_fragment(text: str) -> Fragment:
    """The parts of a fragment; what is not known is left out."""
    username, password, candidates = "", "", list[str]()
    for line in text.replace("\r\n", "\n").split("\n"):
        found = _LINE.match(line)
        if found is None:
            continue
        name, value = found.groups()
        if name == "ice-ufrag":
            username = username or value
        elif name == "ice-pwd":
            password = password or value
        elif name == "candidate":
            candidates.append(value)
    return Fragment(username, password, tuple(candidates))


class IcePath:
    """Stands between an ICE transport and its connection, before that is connected.

    ``switched`` is called when packets take another way than before. ``gate`` stands before each
    connection's sockets.
    """

    def __init__(
        self,
        transport: RTCIceTransport,
        mid: str,
        gate: Gate,
        switched: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport = transport
        self._mid = mid
        self._gate = gate
        self._switched = switched
        self._connection: Connection = transport._connection
        self._following: Connection | None = None
        self._switching: asyncio.Task[None] | None = None
        self._candidates = 0
        self._log = get_logger("live.whip")
        setattr(transport, "_recv", self._receive)  # noqa: B010
        setattr(transport, "_send", self._send)  # noqa: B010

    def gathered(self) -> None:
        """The connection has its sockets."""
        self._gate.stand_before(self._connection)

    async def add_candidates(self, lines: tuple[str, ...]) -> None:
        """Candidates of the publisher, for the newest connection. Raises UnusableFragment.

        Those that cannot be used are left out, as RFC 9725 wants it.
        """
        self._candidates += len(lines)
        if self._candidates > _MAX_CANDIDATES:
            raise UnusableFragment("Too many candidates.")
        await _add(self._following or self._connection, lines)

    async def restart(self, fragment: Fragment) -> str:
        """Begin a restart: the fragment that answers the publisher's.

        The present connection goes on until the new one is there, also where that never comes.
        Raises NotConnected, UnusableFragment.
        """
        if self._transport.state != "completed":
            raise NotConnected
        if not fragment.credentials or len(fragment.candidates) > _MAX_CANDIDATES:
            raise UnusableFragment("A restart needs a new ice-ufrag and ice-pwd.")
        await self._give_up()
        following = Connection(ice_controlling=False)
        self._following = following
        self._candidates = len(fragment.candidates)
        await following.gather_candidates()
        self._gate.stand_before(following)
        following.remote_username = fragment.username
        following.remote_password = fragment.password
        await _add(following, fragment.candidates)
        if self._following is following:
            self._switching = asyncio.create_task(self._switch_to(following))
        return self._answer(following)

    async def close(self) -> None:
        """Give up a restart that is under way. The transport closes the connection itself."""
        await self._give_up()

    async def _give_up(self) -> None:
        following, self._following = self._following, None
        if self._switching is not None:
            self._switching.cancel()
            self._switching = None
        if following is not None:
            await following.close()

    async def _switch_to(self, following: Connection) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await following.connect()
        except (ConnectionError, TimeoutError):
            self._log.info("ICE not restarted")
            self._following = None
            await following.close()
            return
        self._following = self._switching = None
        before, self._connection = self._connection, following
        # The transport's watch over the old connection would take its end for the publisher's.
        transport: Any = self._transport
        transport._RTCIceTransport__monitor_task.cancel()
        transport._connection = following
        transport._RTCIceTransport__monitor_task = asyncio.create_task(transport._monitor())
        self._switched()
        await before.close()
        self._log.info("ICE restarted")

    async def _receive(self) -> bytes:
        while True:
            connection = self._connection
            try:
                return await connection.recv()
            except ConnectionError:
                if connection is self._connection:
                    raise

    async def _send(self, data: bytes) -> None:
        await self._connection.send(data)

    def _answer(self, connection: Connection) -> str:
        candidates = [
            f"a=candidate:{candidate.to_sdp()}" for candidate in connection.local_candidates
        ]
        lines = [
            f"a=ice-ufrag:{connection.local_username}",
            f"a=ice-pwd:{connection.local_password}",
            # The section that all others are bundled with; only its mid has a meaning here.
            "m=audio 9 UDP/TLS/RTP/SAVPF 0",
            f"a=mid:{self._mid}",
            *candidates,
            "a=end-of-candidates",
        ]
        return "".join(f"{line}\r\n" for line in lines)


async def _add(connection: Connection, lines: tuple[str, ...]) -> None:
    for line in lines:
        try:
            candidate = Candidate.from_sdp(line)
        except (ValueError, IndexError):
            continue
        if candidate.component == 1 and not candidate.host.endswith(_LOCAL_NAME.rstrip()):
            await connection.add_remote_candidate(candidate)
