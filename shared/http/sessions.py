"""Which sessions have ended, by the log.

The published list of ended sessions is some seconds late (``shared.http.jwks``); the log has a
logout, a revocation and the deletion of an account before each of them is answered.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from shared.contracts import SessionRevoked, UserDeleted, stream_id
from shared.event_store.store import RecordedEvent
from shared.http.access_tokens import InvalidToken, Principal

_KNOWN_USERS: Final = 20_000


class Log(Protocol):
    """The log, as far as sessions need it."""

    async def read_after(
        self, versions: Mapping[str, int]
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Of each of these streams, the events after a version."""
        ...


class _User(msgspec.Struct):
    """A user's sessions up to ``version`` of their stream."""

    version: int = 0
    ended: set[str] = set()
    deleted: bool = False

    def has_ended(self, session_id: str) -> bool:
        return self.deleted or session_id in self.ended

    def add(self, events: Sequence[RecordedEvent]) -> None:
        for recorded in events:
            # Two requests may have read the same events.
            self.version = max(self.version, recorded.version)
            if isinstance(recorded.data, SessionRevoked):
                self.ended.add(recorded.data.session_id)
            elif isinstance(recorded.data, UserDeleted):
                self.deleted = True


class Sessions:
    """Asks the log for what is new since it was asked last: one look into an index."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._users: dict[str, _User] = {}

    async def require_open(self, principal: Principal) -> None:
        """Raises InvalidToken if the caller's session has ended."""
        if await self.ended([principal]):
            raise InvalidToken("Log in again.")

    async def has_ended(self, user_id: str, session_id: str) -> bool:
        """Whether this session of this user has ended."""
        user = (await self._read([user_id]))[user_id]
        return user.has_ended(session_id)

    async def ended(self, principals: Collection[Principal]) -> set[Principal]:
        """Those whose session has ended."""
        users = await self._read({each.user_id for each in principals})
        return {each for each in principals if users[each.user_id].has_ended(each.session_id)}

    async def _read(self, user_ids: Collection[str]) -> dict[str, _User]:
        """What the log says of these users now."""
        users = {id_: self._user(id_) for id_ in user_ids}
        if users:
            asked = {stream_id("user", id_): user.version for id_, user in users.items()}
            found = await self._log.read_after(asked)
            for id_, user in users.items():
                user.add(found.get(stream_id("user", id_), ()))
        return users

    def _user(self, user_id: str) -> _User:
        user = self._users.get(user_id)
        if user is None:
            while len(self._users) >= _KNOWN_USERS:
                self._users.pop(next(iter(self._users)))
            user = self._users[user_id] = _User()
        return user
