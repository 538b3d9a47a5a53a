"""The parts of chats, put together."""

from collections.abc import Callable

import msgspec
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.chat.access import Access, Sessions
from services.live.chat.chat import Chat
from services.live.chat.hub import Hub
from services.live.chat.keeping import Bucket, Keeping
from services.live.chat.readers import Limits
from services.live.chat.room_log import RoomLog
from services.live.chat.rooms_repository import RoomsRepository
from services.live.handlers.live_events import LiveEvents
from shared.loops.items import ItemMetrics


class Outside(msgspec.Struct, frozen=True):
    """What chats need: two clients of Redis, the second of which waits; ``secret`` of grants."""

    engine: AsyncEngine
    redis: Redis
    waiting: Redis
    events: LiveEvents
    sessions: Sessions
    bucket: Bucket
    secret: str


class Chats(msgspec.Struct, frozen=True):
    """All chats of this process."""

    chat: Chat
    hub: Hub
    keeping: Keeping


def open_chats(
    outside: Outside,
    *,
    enabled: bool,
    limits: Limits,
    items: ItemMetrics,
    count: Callable[[int], None] = lambda _readers: None,
    advanced: Callable[[], None] = lambda: None,
) -> Chats:
    """``enabled``: whether lives have chats here; ``count`` gets the number of readers."""
    log = RoomLog(outside.redis, outside.waiting, outside.secret)
    rooms = RoomsRepository(outside.engine)
    access = Access(outside.events, outside.sessions, outside.secret, enabled=enabled)
    hub = Hub(log, rooms, access, limits=limits, items=items, count=count)
    keeping = Keeping(log, rooms, outside.events, outside.bucket, items=items, advanced=advanced)
    return Chats(Chat(log, rooms, access, hub), hub, keeping)
