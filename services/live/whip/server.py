"""The publishers by WHIP of this process."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec

from services.live.flv.sink import Admission
from services.live.keys import key_hash
from services.live.ports import Credential, KeyHash, OwnStream, Publisher
from services.live.whip.peer import Peer
from shared.errors import TooManyRequests
from shared.token_bucket import MICROS, Bucket, Decision, LocalBuckets

_PROTOCOL: Final = "whip"
_MAX_REMEMBERED: Final = 20_000
# Offers in a minute: of one stream, and of one address, behind which there may be several people.
# A publisher without a network makes one each second or two while it tries to come back.
PER_STREAM: Final = Bucket(60 * MICROS // 60, 60)
PER_ADDRESS: Final = Bucket(60 * MICROS // 120, 120)
# Candidates that follow, and restarts, each of which opens sockets.
CHANGES: Final = Bucket(MICROS, 60)


class Answer(msgspec.Struct, frozen=True):
    """``resource``: names the connection for the requests that follow; nobody can guess it, and
    gateways see in it whose session it is. ``generation``: of its ICE session."""

    resource: str
    generation: str
    sdp: str


class Connected(msgspec.Struct, frozen=True):
    """A publisher that is connected, and by what. ``live_id``: None where it was by a key."""

    peer: Peer
    holder: str
    live_id: str | None

    def is_held_by(self, credential: Credential) -> bool:
        """Whether this is what the publisher has connected by."""
        return secrets.compare_digest(self.holder, _holder(credential))


class Whip:
    """Accepts offers until ``close``. How many publishers there may be is for ``admission`` to say.
    ``clock``: steady, seconds."""

    def __init__(self, admission: Admission, clock: Callable[[], float] = time.monotonic) -> None:
        self._admission = admission
        self._buckets = LocalBuckets(clock, _MAX_REMEMBERED)
        self._connected: dict[str, Connected] = {}

    @property
    def publishers(self) -> int:
        """How many connections there are."""
        return len(self._connected)

    async def publish(
        self, credential: Credential, offer: str, *, address: str, software: str
    ) -> Answer:
        """Take a stream. Raises Refused, UnusableOffer, OtherMedia, TooManyRequests."""
        holder = _holder(credential)
        self._count(holder, address)
        publisher = Publisher(protocol=_PROTOCOL, address=address, software=software)
        sink = await self._admission.admit(credential, publisher)
        resource = f"{sink.video_id}.{secrets.token_urlsafe(24)}"
        peer = Peer(sink, lambda: self._forget(resource))
        live_id = credential.live_id if isinstance(credential, OwnStream) else None
        self._connected[resource] = Connected(peer, holder, live_id)
        try:
            sdp = await peer.answer(offer)
        except BaseException:
            await peer.close("the offer cannot be used", clean=True)
            raise
        return Answer(resource, peer.generation, sdp)

    def connected(self, resource: str) -> Connected | None:
        """The connection of that name, unless it has ended."""
        return self._connected.get(resource)

    async def close(self) -> None:
        """End all connections: their publishers connect again, elsewhere."""
        peers = [connected.peer for connected in self._connected.values()]
        await asyncio.gather(*(p.close("the server is going down", clean=False) for p in peers))

    def _count(self, holder: str, address: str) -> None:
        taken = self._buckets.take_all(
            {
                f"stream {holder}".encode(): PER_STREAM,
                f"address {address}".encode(): PER_ADDRESS,
            }
        )
        _allow(taken, "Too many offers. Wait a moment.")

    def count_change(self, connected: Connected) -> None:
        """A change of a connection is asked for. Raises TooManyRequests."""
        taken = self._buckets.take(f"changes {connected.holder}".encode(), CHANGES)
        _allow(taken, "Too many changes. Wait a moment.")

    def _forget(self, resource: str) -> None:
        self._connected.pop(resource, None)


def _allow(taken: Decision, text: str) -> None:
    if not taken.allowed:
        raise TooManyRequests(text, retry_after=taken.retry_after / MICROS)


def _holder(credential: Credential) -> str:
    """What is kept of a credential."""
    match credential:
        case OwnStream(live_id=live_id, user_id=user_id):
            return hashlib.sha256(f"{user_id} {live_id}".encode()).hexdigest()
        case KeyHash(value=hashed):
            return hashed
        case key:
            return key_hash(key)
