"""The publishers by WHIP of this process."""

import asyncio
import secrets

import msgspec

from services.live.flv.sink import Admission
from services.live.ports import Publisher, Refused
from services.live.whip.peer import Peer

_PROTOCOL = "whip"


class Answer(msgspec.Struct, frozen=True):
    """``resource``: names the connection for the requests that follow; nobody can guess it."""

    resource: str
    sdp: str


class Whip:
    """Accepts offers until ``close``; ``most`` publishers at once."""

    def __init__(self, admission: Admission, most: int) -> None:
        self._admission = admission
        self._most = most
        self._peers: dict[str, Peer] = {}
        self._opening = 0

    @property
    def publishers(self) -> int:
        """How many connections there are."""
        return len(self._peers)

    async def publish(self, key: str, offer: str, *, address: str, software: str) -> Answer:
        """Take the stream of a key. Raises Refused, UnusableOffer."""
        if len(self._peers) + self._opening >= self._most:
            raise Refused("busy", "the server has as many streams as it can take; try again later")
        self._opening += 1
        try:
            publisher = Publisher(protocol=_PROTOCOL, address=address, software=software)
            sink = await self._admission.admit(key, publisher)
            resource = secrets.token_urlsafe(24)
            peer = Peer(sink, lambda: self._forget(resource))
            self._peers[resource] = peer
        finally:
            self._opening -= 1
        try:
            return Answer(resource, await peer.answer(offer))
        except BaseException:
            await peer.close("the offer cannot be used", clean=True)
            raise

    def peer(self, resource: str) -> Peer | None:
        """The connection of that name, unless it has ended."""
        return self._peers.get(resource)

    async def close(self) -> None:
        """End all connections: their publishers connect again, elsewhere."""
        peers = list(self._peers.values())
        await asyncio.gather(*(p.close("the server is going down", clean=False) for p in peers))

    def _forget(self, resource: str) -> None:
        self._peers.pop(resource, None)
