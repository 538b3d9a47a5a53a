"""What viewers and owners do with a chat."""

from typing import Final, Literal

import msgspec

from services.live.chat import rules
from services.live.chat.access import Access, Caller
from services.live.chat.entries import Message
from services.live.chat.hub import Hub
from services.live.chat.room_log import RoomLog
from services.live.chat.rooms_repository import Ban, Room, RoomsRepository
from shared.http.identity import Principal

MAX_BANS_SHOWN: Final = 500

ChatState = Literal["open", "closed", "off", "ended", "replay"]
"""closed: only the owner writes. off: there is none. replay: it is beside the video."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A chat as a caller sees it."""

    state: ChatState
    slow_seconds: int
    is_owner: bool
    banned: bool


class Chat:
    """All methods raise ChatNotFound for who may not watch the live."""

    def __init__(self, log: RoomLog, rooms: RoomsRepository, access: Access, hub: Hub) -> None:
        self._log = log
        self._rooms = rooms
        self._access = access
        self.hub = hub

    async def room(self, video_id: str, caller: Caller) -> Room:
        """The chat of a video that is live, or was."""
        room = (await self._rooms.rooms([video_id])).get(video_id)
        if room is None:
            raise rules.ChatNotFound
        await self._access.renewed(video_id)
        await self._access.check(room, caller)
        return room

    async def shown(self, video_id: str, caller: Caller) -> Shown:
        room = await self.room(video_id, caller)
        user = caller.principal
        return Shown(
            state=await self._state(room),
            slow_seconds=room.slow_seconds,
            is_owner=_owns(room, user),
            banned=user is not None and await self._rooms.is_banned(room, user.user_id),
        )

    async def running(self, video_id: str, caller: Caller) -> Room:
        """Raises ChatOff, ChatEnded."""
        room = await self.room(video_id, caller)
        state = await self._state(room)
        if state == "off":
            raise rules.ChatOff
        if state in {"ended", "replay"}:
            raise rules.ChatEnded
        return room

    async def post(
        self,
        video_id: str,
        caller: Caller,
        address: str,
        text: str,
        idempotency_key: str | None = None,
    ) -> Message:
        """Raises InvalidInput, Banned, ChatClosed, TooFast, SlowMode, KeyReused, ChatAway."""
        room, author = await self.running(video_id, caller), _user(caller)
        text = rules.cleaned(text)
        owner = _owns(room, author)
        if await self._rooms.is_banned(room, author.user_id):
            raise rules.Banned
        if not room.writable and not owner:
            raise rules.ChatClosed
        if idempotency_key is not None:
            known = await self._log.earlier(video_id, author.user_id, text, idempotency_key)
            if known is not None:
                return Message(
                    id=known, user_id=author.user_id, username=author.username, text=text
                )
        slow_seconds = 0 if owner else room.slow_seconds
        await self._log.take(video_id, author.user_id, address, slow_seconds)
        await self._rooms.note_author(room, author.user_id)
        return await self._log.post(video_id, author, text, idempotency_key)

    async def remove(self, video_id: str, caller: Caller, message_id: str) -> None:
        """By the owner of the live, or by whoever has written it. Raises MessageNotFound."""
        room, user = await self.running(video_id, caller), _user(caller)
        author = await self._log.author(video_id, message_id)
        if not _owns(room, user) and author != user.user_id:
            raise rules.NotModerator
        await self._log.remove(video_id, [message_id])

    async def change(
        self, video_id: str, caller: Caller, *, is_open: bool | None, slow_seconds: int | None
    ) -> None:
        """Close or open the chat, or have viewers write more slowly."""
        room = await self._moderated(video_id, caller)
        writable = room.writable if is_open is None else is_open
        slow = room.slow_seconds if slow_seconds is None else slow_seconds
        await self._rooms.change(room, writable=writable, slow_seconds=slow)
        await self._log.changed(video_id, is_open=writable, slow_seconds=slow)

    async def ban(self, video_id: str, caller: Caller, user_id: str, *, for_good: bool) -> None:
        """Somebody who has written here writes no more, and what they wrote is removed."""
        room = await self._moderated(video_id, caller)
        messages = await self._log.messages(video_id)
        theirs = [message for message in messages if message.user_id == user_id]
        if user_id == room.user_id or (not theirs and not await self._rooms.wrote(room, user_id)):
            raise rules.MessageNotFound
        username = theirs[-1].username if theirs else ""
        await self._rooms.ban(room, user_id, username, for_good=for_good)
        await self._log.barred(video_id, user_id, banned=True)
        await self._log.remove(video_id, [message.id for message in theirs])

    async def unban(self, video_id: str, caller: Caller, user_id: str) -> None:
        room = await self._owned(video_id, caller)
        await self._rooms.unban(room, user_id)
        if room.phase == "open":
            await self._log.barred(video_id, user_id, banned=False)

    async def bans(self, video_id: str, caller: Caller) -> list[Ban]:
        return await self._rooms.bans(await self._owned(video_id, caller), MAX_BANS_SHOWN)

    async def _moderated(self, video_id: str, caller: Caller) -> Room:
        room = await self.running(video_id, caller)
        return _of_owner(room, caller)

    async def _owned(self, video_id: str, caller: Caller) -> Room:
        return _of_owner(await self.room(video_id, caller), caller)

    async def _state(self, room: Room) -> ChatState:
        if room.phase != "open":
            return "replay" if room.state == "kept" else "ended"
        if not await self._access.has_chat(room):
            return "off"
        return "open" if room.writable else "closed"


def _user(caller: Caller) -> Principal:
    if caller.principal is None:
        raise rules.ChatNotFound
    return caller.principal


def _owns(room: Room, user: Principal | None) -> bool:
    return user is not None and user.user_id == room.user_id


def _of_owner(room: Room, caller: Caller) -> Room:
    if not _owns(room, caller.principal):
        raise rules.NotModerator
    return room
