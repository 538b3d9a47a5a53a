"""Whether this replica takes the session of a publisher: one rule for all protocols."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from services.live.broadcasts.capacity import Capacity
from services.live.ports import CANNOT_CONTINUE, NO_ROOM, Refused
from shared.errors import Unavailable


class Counted(Protocol):
    """A session that this replica has. ``settled``: it has no publisher, and needs no place."""

    @property
    def settled(self) -> bool: ...


class Places:
    """The places for sessions with a publisher. ``storage`` raises Unavailable where the storage
    is away."""

    def __init__(
        self,
        capacity: Capacity,
        sessions: Mapping[str, Counted],
        storage: Callable[[], Awaitable[object]],
    ) -> None:
        self._capacity = capacity
        self._sessions = sessions
        self._storage = storage
        self._entries: set[Entry] = set()

    @property
    def running(self) -> int:
        """Sessions with a publisher."""
        return sum(not session.settled for session in self._sessions.values())

    def leave(self, entry: "Entry") -> None:
        """The publisher is in, and counted by its session; or it was refused."""
        self._entries.discard(entry)

    def come(self, entry: "Entry") -> None:
        """Its session is known."""
        self._entries.add(entry)

    def is_coming(self, video_id: str) -> bool:
        """Whether a publisher is about to go on with the session here."""
        return any(entry.video_id == video_id for entry in self._entries)

    def check_room(self, entry: "Entry", *, begins: bool) -> None:
        """Raises Refused."""
        others = sum(other.needs_place for other in self._entries if other is not entry)
        room = self._capacity.room(self.running + others)
        if room == "none" or (begins and room != "any"):
            raise Refused("busy", NO_ROOM)

    def has(self, video_id: str) -> bool:
        """Whether this replica has the session's window."""
        return video_id in self._sessions

    def holds(self, video_id: str) -> bool:
        """Whether the session has a place already."""
        session = self._sessions.get(video_id)
        return session is not None and not session.settled

    async def check_storage(self) -> None:
        """Raises Refused."""
        try:
            await self._storage()
        except Unavailable:
            raise Refused("unavailable", CANNOT_CONTINUE) from None


class Entry:
    """An ``Entrance`` for one publisher. ``video_id``: of a session that runs; ``needs_place``: it
    has none yet."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.video_id = ""
        self.needs_place = False

    def begin(self) -> None:
        self._places.check_room(self, begins=True)
        self.needs_place = True
        self._places.come(self)

    async def go_on(self, video_id: str) -> None:
        """A publisher that comes back to a session with a place here takes no other one.

        What another replica has left is in the storage. While that is away, the other one still
        has segments in memory, which are lost when the session is taken from it.
        """
        if not self._places.holds(video_id):
            self._places.check_room(self, begins=False)
            self.needs_place = True
        self.video_id = video_id
        self._places.come(self)
        if not self._places.has(video_id):
            await self._places.check_storage()
