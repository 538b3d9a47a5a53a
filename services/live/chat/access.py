"""Who may read a chat: whoever may watch its live, by the rules of media."""

import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from services.live.chat.rooms_repository import Room
from services.live.chat.rules import ChatNotFound
from services.live.handlers.live_events import LiveEvents
from shared.contracts import SHOWN_TO_OTHERS, Visibility
from shared.event_store.store import UnreadableStream
from shared.http import grants
from shared.http.identity import Principal

_FRESH_SECONDS: Final = 2.0
_MAX_KNOWN: Final = 5_000


class Sessions(Protocol):
    """Knows which sessions have ended."""

    async def has_ended(self, user_id: str, session_id: str) -> bool:
        """Whether this session of this user has ended."""
        ...


class Caller(msgspec.Struct, frozen=True):
    """Somebody who asks: a user, or whoever has a grant for the video; or anybody."""

    principal: Principal | None
    grant: str | None = None


class Access:
    """``secret`` is that of grants; ``enabled``: the installation has chats.

    For readers who stay, the log is asked every two seconds, and before each message; for requests
    it always is.
    """

    def __init__(
        self,
        events: LiveEvents,
        sessions: Sessions,
        secret: str,
        *,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._sessions = sessions
        self._secret = secret
        self._enabled = enabled
        self._clock = clock
        self._known: dict[str, tuple[Visibility | None, float]] = {}

    async def check(self, room: Room, caller: Caller) -> None:
        """Raises ChatNotFound for who may not watch."""
        shown = await self.visibility(room.video_id)
        if shown is None:
            raise ChatNotFound
        if shown in SHOWN_TO_OTHERS:
            return
        user = caller.principal
        if (
            user is not None
            and user.user_id == room.user_id
            and not await self._sessions.has_ended(user.user_id, user.session_id)
        ):
            return
        if caller.grant and await self._is_granted(room, caller.grant):
            return
        raise ChatNotFound

    async def has_chat(self, room: Room) -> bool:
        """Whether the installation and the owner of the live want one; not where a newer version
        has set up the live stream, which may have turned it off."""
        try:
            return self._enabled and (await self._events.stream(room.live_id)).settings.chat
        except UnreadableStream:
            return False

    async def visibility(self, video_id: str) -> Visibility | None:
        """A video's visibility of late; None where it is deleted, or none yet."""
        known = self._known.get(video_id)
        if known is not None and self._clock() - known[1] < _FRESH_SECONDS:
            return known[0]
        return await self.renewed(video_id)

    async def renewed(self, video_id: str) -> Visibility | None:
        """The same, as it is now."""
        now = self._clock()
        shown = await self._events.visibility(video_id)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[video_id] = shown, now
        return shown

    async def _is_granted(self, room: Room, grant: str) -> bool:
        session = grants.check(self._secret, grant, room.video_id, time.time())
        return session is not None and not await self._sessions.has_ended(room.user_id, session)
