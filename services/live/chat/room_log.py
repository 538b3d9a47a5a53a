"""The messages of running lives: one stream per live in Redis, of bounded length.

Whatever is lost with Redis is the chat of lives that run; settings and bans are in the database.
Users' ids and names are in the messages; addresses and idempotency keys only as keyed hashes.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.live.chat.entries import (
    Entry,
    Message,
    fields_of_bar,
    fields_of_change,
    fields_of_removal,
    read_entry,
)
from services.live.chat.rules import ChatAway, KeyReused, MessageNotFound, SlowMode, TooFast
from shared.http.identity import Principal
from shared.token_bucket import MICROS, SCRIPT, Bucket, script_arguments, script_decision

MAX_ENTRIES: Final = 5000
"""Entries of one live; the oldest are forgotten first."""
PER_USER: Final = Bucket(MICROS, 5)
PER_ADDRESS: Final = Bucket(MICROS // 5, 25)
PER_ROOM: Final = Bucket(MICROS // 20, 60)
_KEPT_SECONDS: Final = 7 * 86_400
# What an idempotency key has led to: each message may bring one, so that they are kept no longer
# than somebody asks again after a lost answer.
_REPEATED_SECONDS: Final = 3600
_ALL: Final = MAX_ENTRIES + 1000

# KEYS: the stream, and of a request with an idempotency key what it has led to.
_POST: Final = """
if KEYS[2] then
  local known = redis.call('GET', KEYS[2])
  if known then return known end
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*',
  'kind', 'message', 'user', ARGV[3], 'name', ARGV[4], 'text', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local answer = id .. ' ' .. ARGV[6]
if KEYS[2] then redis.call('SET', KEYS[2], answer, 'EX', ARGV[7]) end
return answer
"""


class RoomLog:
    """All methods raise ChatAway. ``waiting`` is the connection that waits for new entries."""

    def __init__(self, redis: "Redis", waiting: "Redis", secret: str) -> None:
        self._redis = redis
        self._waiting = waiting
        self._secret = hmac.digest(secret.encode(), b"cinelog live chat v1", "sha256")
        self._take = redis.register_script(SCRIPT)
        self._post = redis.register_script(_POST)

    async def take(self, video_id: str, user_id: str, address: str, slow_seconds: int) -> None:
        """Count a message. Raises TooFast, SlowMode."""
        user = self._key(video_id, "user", user_id)
        buckets = {
            user: PER_USER,
            self._key(video_id, "address", address): PER_ADDRESS,
            self._key(video_id, "room"): PER_ROOM,
        }
        wait = await self._wait(buckets)
        if wait:
            raise TooFast("That was too fast. Wait a moment.", retry_after=wait)
        if slow_seconds:
            slow = {self._key(video_id, "slow", user_id): Bucket(slow_seconds * MICROS, 1)}
            wait = await self._wait(slow)
            if wait:
                sentence = f"Slow mode: one message every {slow_seconds} s."
                raise SlowMode(sentence, retry_after=wait)

    async def earlier(
        self, video_id: str, user_id: str, text: str, idempotency_key: str
    ) -> str | None:
        """The id of the message that this idempotency key has led to. Raises KeyReused."""
        async with _answering():
            known: Any = await self._redis.get(self._repeated(video_id, user_id, idempotency_key))
        return None if known is None else _id_of(known, text)

    async def post(
        self, video_id: str, author: Principal, text: str, idempotency_key: str | None
    ) -> Message:
        """Add a message. Raises KeyReused."""
        keys = [_stream(video_id)]
        if idempotency_key is not None:
            keys.append(self._repeated(video_id, author.user_id, idempotency_key))
        said = [author.user_id, author.username, text, _fingerprint(text), _REPEATED_SECONDS]
        async with _answering():
            answer = await self._post(keys=keys, args=[MAX_ENTRIES, _KEPT_SECONDS, *said])
        return Message(
            id=_id_of(answer, text), user_id=author.user_id, username=author.username, text=text
        )

    async def author(self, video_id: str, message_id: str) -> str:
        """Who has written a message. Raises MessageNotFound."""
        async with _answering():
            found: Any = await self._redis.xrange(_stream(video_id), message_id, message_id)
        entry = read_entry(*found[0]) if found else None
        if not isinstance(entry, Message):
            raise MessageNotFound
        return entry.user_id

    async def remove(self, video_id: str, message_ids: Sequence[str]) -> None:
        """Delete messages, and tell readers so."""
        if not message_ids:
            return
        async with _answering():
            pipeline = self._redis.pipeline()
            pipeline.xdel(_stream(video_id), *message_ids)
            for message_id in message_ids:
                self._add(pipeline, video_id, fields_of_removal(message_id))
            await pipeline.execute()

    async def changed(self, video_id: str, *, is_open: bool, slow_seconds: int) -> None:
        """Tell readers of new settings."""
        async with _answering():
            pipeline = self._redis.pipeline()
            fields = fields_of_change(is_open=is_open, slow_seconds=slow_seconds)
            self._add(pipeline, video_id, fields)
            await pipeline.execute()

    async def barred(self, video_id: str, user_id: str, *, banned: bool) -> None:
        """Tell one person whether they may write."""
        async with _answering():
            pipeline = self._redis.pipeline()
            self._add(pipeline, video_id, fields_of_bar(user_id, banned=banned))
            await pipeline.execute()

    async def newest(self, video_id: str, count: int) -> tuple[list[Entry], str]:
        """The last entries, the oldest first, and the id after which new ones follow."""
        async with _answering():
            found: Any = await self._redis.xrevrange(_stream(video_id), count=count)
        last = found[0][0].decode() if found else "0-0"
        return [*_entries(reversed(found))], last

    async def messages(self, video_id: str) -> list[Message]:
        """All messages that are left."""
        async with _answering():
            found = await self._redis.xrange(_stream(video_id), count=_ALL)
        return [entry for entry in _entries(found) if isinstance(entry, Message)]

    async def wait(
        self, after: Mapping[str, str], milliseconds: int
    ) -> dict[str, tuple[list[Entry], str]]:
        """New entries of several lives, after an id of each, and the id of the last of them."""
        streams: dict[Any, Any] = {_stream(id_): last for id_, last in after.items()}
        async with _answering():
            found: Any = await self._waiting.xread(streams, count=200, block=milliseconds)
        names = {_stream(id_).encode(): id_ for id_ in after}
        pairs = found.items() if isinstance(found, dict) else found
        return {names[name]: _with_last(_flat(rows)) for name, rows in pairs or ()}

    async def delete(self, video_id: str) -> None:
        """Forget a live's messages."""
        async with _answering():
            await self._redis.delete(_stream(video_id))

    async def _wait(self, buckets: Mapping[str, Bucket]) -> float:
        """Take from all buckets; 0, or the seconds until there is a token again."""
        async with _answering():
            reply = await self._take(keys=[*buckets], args=script_arguments(buckets.values()))
        decision = script_decision(reply)
        return 0.0 if decision.allowed else max(decision.retry_after / MICROS, 0.001)

    def _add(self, pipeline: Any, video_id: str, fields: dict[str, str]) -> None:
        pipeline.xadd(_stream(video_id), fields, maxlen=MAX_ENTRIES, approximate=False)
        pipeline.expire(_stream(video_id), _KEPT_SECONDS)

    def _repeated(self, video_id: str, user_id: str, idempotency_key: str) -> str:
        return self._key(video_id, "repeated", user_id, idempotency_key)

    def _key(self, video_id: str, kind: str, *parts: str) -> str:
        text = "".join(f"{len(part)}:{part}" for part in (video_id, *parts))
        digest = hmac.digest(self._secret, text.encode("utf-8", "replace"), "sha256")
        return f"live:chat:{{{video_id}}}:{kind}:{digest[:16].hex()}"


def _stream(video_id: str) -> str:
    return f"live:chat:{{{video_id}}}"


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise ChatAway from error


def _entries(rows: Any) -> list[Entry]:
    found = (read_entry(id_, fields) for id_, fields in rows)
    return [entry for entry in found if entry is not None]


def _flat(rows: Any) -> Any:
    """The rows of one stream, which one version of the protocol puts into another list."""
    return rows[0] if rows and isinstance(rows[0], list) else rows


def _with_last(rows: Any) -> tuple[list[Entry], str]:
    return _entries(rows), rows[-1][0].decode()


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _id_of(answer: bytes, text: str) -> str:
    id_, _, fingerprint = answer.decode().partition(" ")
    if fingerprint != _fingerprint(text):
        raise KeyReused
    return id_
