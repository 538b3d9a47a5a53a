"""Brings new entries of chats to the readers of this process.

One connection to Redis waits for the entries of all chats that have readers here, however many
they are. Each chat's last entries are kept in memory, so that readers who come back, all at once
after an outage, cost Redis nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from services.live.chat.access import Access, Caller
from services.live.chat.entries import Barred, Entry, Message, Removed, frame, frames_for, number
from services.live.chat.readers import Limits, Places, Reader
from services.live.chat.room_log import RoomLog
from services.live.chat.rooms_repository import Room, RoomsRepository
from services.live.chat.rules import ChatAway, ChatNotFound
from shared.contracts import SHOWN_TO_OTHERS
from shared.loops.items import ItemMetrics, Items

CHECK_SECONDS: Final = 2.0
WAIT_SECONDS: Final = 1.0
NEWCOMERS_GET: Final = 50
_KEPT: Final = 1000
# A chat that gets its first reader here is read from the next wait on.
_WAIT_MS: Final = 250
_AWAY: Final = frame("away", {})
_BACK: Final = frame("back", {})


class _Chat:
    """A chat with readers. ``last`` is None while nothing could be read of it yet."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.readers: set[Reader] = set()
        self.kept: deque[Entry] = deque(maxlen=_KEPT)
        self.last: str | None = None
        self.away = False
        self.loading = asyncio.Lock()

    def add(self, entries: list[Entry], last: str) -> None:
        """Entries that are known already, because another wait has brought them, are left out."""
        if self.last is not None:
            seen = number(self.last)
            entries = [entry for entry in entries if number(entry.id) > seen]
            last = max(self.last, last, key=number)
        self.last = last
        for entry in entries:
            if isinstance(entry, Removed):
                gone = entry.message_id
                rest = (each for each in self.kept if each.id != gone)
                self.kept = deque(rest, maxlen=_KEPT)
            self.kept.append(entry)
        if entries:
            # As one event of a reader's queue, however much it is.
            self._show(entries)

    def _show(self, entries: list[Entry]) -> None:
        """Most entries are the same for all readers, and are written once."""
        for_all = frames_for(None, entries)
        barred = {entry.user_id for entry in entries if isinstance(entry, Barred)}
        for reader in self.readers:
            own = reader.user_id in barred
            event = frames_for(reader.user_id, entries) if own else for_all
            if event:
                reader.add(event)

    def tell(self, event: bytes) -> None:
        for reader in self.readers:
            reader.add(event)

    def missed(self, last_event_id: str | None) -> Sequence[Entry]:
        """What a reader has to get first."""
        if last_event_id is None:
            return [entry for entry in self.kept if isinstance(entry, Message)][-NEWCOMERS_GET:]
        seen = number(last_event_id)
        return [entry for entry in self.kept if number(entry.id) > seen]


class Hub:
    """``advance`` and ``check`` are loops' steps. ``wake`` is set while there is to wait for."""

    def __init__(
        self,
        log: RoomLog,
        rooms: RoomsRepository,
        access: Access,
        *,
        limits: Limits,
        items: ItemMetrics,
        count: Callable[[int], None] = lambda _readers: None,
    ) -> None:
        self._log = log
        self._rooms = rooms
        self._access = access
        self._count = count
        self.places = Places(limits)
        self.wake = asyncio.Event()
        self._chats: dict[str, _Chat] = {}
        self._bringing = Items("read chats", items)
        self._checking = Items("check chats", items)

    @asynccontextmanager
    async def reading(
        self, room: Room, caller: Caller, address: str, last_event_id: str | None
    ) -> AsyncIterator[Reader]:
        """Yields a reader. Raises TooManyReaders."""
        video_id = room.video_id
        self.places.enter(video_id, address)
        self._count(self.places.taken)
        reader = Reader(caller)
        chat = self._chats.setdefault(video_id, _Chat(room))
        try:
            await self._load(video_id, chat)
            state = {"open": room.writable, "slow_seconds": room.slow_seconds}
            reader.add(frame("settings", state))
            if chat.away:
                reader.add(_AWAY)
            missed = chat.missed(last_event_id)
            if missed:
                reader.add(frames_for(reader.user_id, missed))
            chat.readers.add(reader)
            self.wake.set()
            yield reader
        finally:
            self.places.leave(video_id, address)
            self._count(self.places.taken)
            chat.readers.discard(reader)
            if not self.places.rooms[video_id] and self._chats.get(video_id) is chat:
                del self._chats[video_id]

    async def advance(self) -> None:
        """Wait a moment for new entries, and bring them to their readers."""
        try:
            for video_id, chat in [*self._chats.items()]:
                if chat.last is None:
                    await self._read_newest(video_id, chat)
            after = self._awaited()
            if not after:
                return
            found = await self._log.wait(after, _WAIT_MS)
        except ChatAway:
            for chat in self._chats.values():
                if not chat.away:
                    chat.away = True
                    chat.tell(_AWAY)
            return
        for video_id, chat in [*self._chats.items()]:
            if chat.away and video_id in after:
                chat.away = False
                chat.tell(_BACK)
        if self._chats:
            self.wake.set()
        await self._bringing.each(found, str, lambda video_id: self._bring(video_id, found))

    def _awaited(self) -> dict[str, str]:
        """The chats whose entries are waited for, and the last one that each of them has."""
        failed = self._bringing.waiting
        known = {id_: chat.last for id_, chat in self._chats.items() if id_ not in failed}
        return {id_: last for id_, last in known.items() if last is not None}

    async def _bring(self, video_id: str, found: Mapping[str, tuple[list[Entry], str]]) -> None:
        chat = self._chats.get(video_id)
        if chat is not None:
            await self._end_hidden(video_id, chat)
            chat.add(*found[video_id])

    async def check(self) -> None:
        """End the readers of lives that are over, hidden, or have no chat any more."""
        # A chat that gets its first reader while rooms are read is looked at in the next round.
        asked = [*self._chats]
        rooms = await self._rooms.rooms(asked)
        await self._checking.each(
            asked, str, lambda video_id: self._check(video_id, rooms.get(video_id))
        )

    async def _check(self, video_id: str, room: Room | None) -> None:
        chat = self._chats.get(video_id)
        if chat is None:
            return
        if room is None or room.phase != "open":
            self._end(chat, "ended")
        elif not await self._access.has_chat(room):
            self._end(chat, "off")
        else:
            await self._check_readers(room, chat)

    async def _end_hidden(self, video_id: str, chat: _Chat) -> None:
        """What is written after a live was hidden is for nobody else."""
        if await self._access.renewed(video_id) not in SHOWN_TO_OTHERS:
            await self._check_readers(chat.room, chat)

    async def _check_readers(self, room: Room, chat: _Chat) -> None:
        for reader in [*chat.readers]:
            try:
                await self._access.check(room, reader.caller)
            except ChatNotFound:
                reader.end("hidden")

    def _end(self, chat: _Chat, reason: str) -> None:
        for reader in chat.readers:
            reader.end(reason)

    async def _load(self, video_id: str, chat: _Chat) -> None:
        """Read a chat's last entries, once for all who come at the same time."""
        async with chat.loading:
            if chat.last is not None or chat.away:
                return
            try:
                await self._read_newest(video_id, chat)
            except ChatAway:
                chat.away = True

    async def _read_newest(self, video_id: str, chat: _Chat) -> None:
        entries, last = await self._log.newest(video_id, _KEPT)
        if chat.last is None:
            chat.add(entries, last)
