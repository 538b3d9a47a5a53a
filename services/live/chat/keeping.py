"""What the leader does for chats: replays at the end of lives, and deletion.

Each step may be repeated, and may be done by two processes at the same time.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from services.live import object_keys
from services.live.chat.replay import Places, Replay, make_replay, without
from services.live.chat.room_log import RoomLog
from services.live.chat.rooms_repository import Room, RoomsRepository
from services.live.handlers.live_events import LiveEvents
from services.live.recording.history import read_history
from shared.loops.items import ItemMetrics, Items

ROUND_SECONDS: Final = 5.0
_BATCH: Final = 100
_TYPE: Final = "application/json"


class Bucket(Protocol):
    """The media bucket, as far as chats are concerned."""

    async def read(self, key: str) -> bytes: ...
    async def exists(self, key: str) -> bool: ...
    async def delete(self, key: str) -> None: ...
    async def put(self, key: str, data: bytes, content_type: str) -> object: ...


class Keeping:
    """Call ``round`` every few seconds."""

    def __init__(
        self,
        log: RoomLog,
        rooms: RoomsRepository,
        events: LiveEvents,
        bucket: Bucket,
        *,
        items: ItemMetrics,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._rooms = rooms
        self._events = events
        self._bucket = bucket
        self._items = Items("keep chats", items)
        self._advanced = advanced
        self._last_author = ""
        self._last_kept = ""

    async def round(self) -> None:
        """One after the other: a replay that is made has all that a deletion has to find."""
        await self.keep()
        await self.delete()

    async def keep(self) -> None:
        """Put the chats of lives that are over into the bucket."""
        rooms = await self._rooms.ended(_BATCH, self._items.waiting)
        await self._items.each(rooms, lambda room: room.video_id, self._keep)

    async def delete(self) -> None:
        """Delete what deleted users have written, and chats of deleted videos: of some users and
        videos at each call, of all of them in turn."""
        users = await self._rooms.authors(self._last_author, _BATCH)
        for user_id in users:
            if await self._events.is_account_deleted(user_id):
                await self.forget_user(user_id)
            self._advanced()
        self._last_author = users[-1] if len(users) == _BATCH else ""
        rooms = await self._rooms.kept(self._last_kept, _BATCH)
        for room in rooms:
            if await self._events.is_video_deleted(room.video_id):
                await self._forget(room)
            self._advanced()
        self._last_kept = rooms[-1].video_id if len(rooms) == _BATCH else ""

    async def forget_user(self, user_id: str) -> None:
        """Delete all that a user has written, in running chats and in replays."""
        for room in await self._rooms.written_in(user_id):
            if room.state == "kept":
                await self._rewrite(room, user_id)
            elif room.state == "open":
                messages = await self._log.messages(room.video_id)
                theirs = [each.id for each in messages if each.user_id == user_id]
                await self._log.remove(room.video_id, theirs)
            self._advanced()
        await self._rooms.forget_user(user_id)

    async def _keep(self, room: Room) -> None:
        session = await self._events.session(room.video_id)
        deleted = await self._events.is_video_deleted(room.video_id)
        if deleted or not session.record or session.next_segment == 0:
            await self._forget(room)
            return
        messages = await self._log.messages(room.video_id)
        history = read_history(room.video_id, await self._events.history(room.video_id))
        if messages:
            await self._put(room, make_replay(messages, Places(history)))
            await self._rooms.set_state(room.video_id, "kept")
            await self._log.delete(room.video_id)
        else:
            await self._forget(room)
        self._advanced()

    async def _rewrite(self, room: Room, user_id: str) -> None:
        key = object_keys.chat(room.video_id)
        if await self._bucket.exists(key):
            replay = msgspec.json.decode(await self._bucket.read(key), type=Replay)
            await self._put(room, without(replay, user_id))

    async def _put(self, room: Room, replay: Replay) -> None:
        key = object_keys.chat(room.video_id)
        await self._bucket.put(key, msgspec.json.encode(replay), _TYPE)

    async def _forget(self, room: Room) -> None:
        await self._log.delete(room.video_id)
        await self._bucket.delete(object_keys.chat(room.video_id))
        await self._rooms.forget(room.video_id)
