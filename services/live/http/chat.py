"""``/api/v1/live/videos/{id}/chat``: what viewers of a live write to each other.

Whoever may watch may read: anybody, or with a grant (``grant``, the token of the media addresses)
or as its owner where the live is private. Whoever is logged in may write.
"""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, Parameter, QueryParameter
from litestar.response import Stream

from services.live.chat import access
from services.live.chat.chat import Chat, ChatState
from services.live.chat.rooms_repository import Room
from services.live.chat.rules import MAX_SLOW_SECONDS
from services.live.http.clips import VideoId
from shared.http.client import client_address
from shared.http.envelope import Failure, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.text_rules import MAX_MESSAGE

HEARTBEAT_SECONDS: Final = 15.0
_RETRY: Final = b"retry: 2000\n\n"
_HEARTBEAT: Final = b": still here\n\n"
_HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}
# What is no id of ours is taken for none: an EventSource cannot be told of an error.
_ENTRY: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,10}")

AnyRequest = Request[Any, Any, State]
TheChat = NamedDependency[Chat]
Caller = NamedDependency[Principal]
MaybeCaller = NamedDependency[Principal | None]
MessageId = Annotated[
    str, Parameter(pattern=r"^[0-9]{1,15}-[0-9]{1,10}$", description="The message's id.")
]
UserId = Annotated[str, Parameter(max_length=64, description="The id of a user.")]
Grant = Annotated[
    str | None,
    QueryParameter(name="grant", max_length=160, description="The token of the media addresses."),
]


class NewMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of text. It is shown as text; no markup is understood."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4 * MAX_MESSAGE)]


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """``at``: Unix milliseconds."""

    id: str
    at: int
    user_id: str
    username: str
    text: str


class ChatChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays. ``open``: whether viewers may write; ``slow_seconds``: a viewer
    writes once in so many seconds, 0 for no such limit."""

    open: bool | None = None
    slow_seconds: Annotated[int, msgspec.Meta(ge=0, le=MAX_SLOW_SECONDS)] | None = None


class ChatFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: ``closed`` where only the owner writes; ``off`` where there is no chat; ``replay``
    where it is beside the video, at ``live/chat.json`` below the video's media addresses.

    ``is_owner`` and ``banned`` are the caller's.
    """

    state: ChatState
    slow_seconds: int
    is_owner: bool
    banned: bool


class NewBan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``for_good``: in all lives of the owner; otherwise in this one."""

    for_good: bool = False


class ChatBan(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may not write. ``username`` may be empty for whoever wrote long ago."""

    user_id: str
    username: str
    for_good: bool
    created_at: datetime


def _failures(described: dict[int, str]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Failure, description=sentence, generate_examples=False)
        for status, sentence in described.items()
    }


_READ: Final = _failures({404: "There is no such chat, or the caller may not watch the live."})
_OWN: Final = _failures(
    {
        401: "No valid token.",
        403: "The live is another's: `chat_not_owner`.",
        404: "There is no such chat, message or author, or the caller may not watch the live.",
        409: "`chat_off` or `chat_ended`.",
        503: "`chat_unavailable`: messages cannot be reached for a moment.",
    }
)


@get("/", responses=_READ, summary="The state of a chat")
async def facts(
    video_id: VideoId, chat: TheChat, optional_principal: MaybeCaller, grant: Grant = None
) -> Success[ChatFacts]:
    found = await chat.shown(video_id, access.Caller(optional_principal, grant))
    return Success(data=ChatFacts(**msgspec.structs.asdict(found)))


@get(
    "/events",
    responses=_READ
    | _failures(
        {
            409: "`chat_off` or `chat_ended`: nothing will come.",
            429: "`chat_full`: too many readers of this address, this chat or this server.",
        }
    ),
    summary="Messages as they are written",
    media_type="text/event-stream",
)
async def events(
    request: AnyRequest,
    video_id: VideoId,
    chat: TheChat,
    *,
    optional_principal: MaybeCaller,
    grant: Grant = None,
    last_event_id: Annotated[str | None, HeaderParameter(name="last-event-id")] = None,
) -> Response[Any]:
    """Server-Sent Events: `settings` first, then the last 50 messages, or with ``Last-Event-ID``
    what came after it. `message`; `removed` (the id of a message); `settings` (``open``,
    ``slow_seconds``); `ban` (``banned``) for who may write no more, or again; `away` and `back`
    while messages cannot be reached; `end` with the reason `ended`, `off`, `hidden` or `too_slow`,
    after which the stream ends. Readers that are too slow come back with ``Last-Event-ID``."""
    caller = access.Caller(optional_principal, grant)
    room = await chat.running(video_id, caller)
    seen = last_event_id if last_event_id and _ENTRY.fullmatch(last_event_id) else None
    # Refused with a status, not within a stream that has begun.
    chat.hub.places.check(video_id, client_address(request))
    return Stream(
        _stream(chat, room, caller, client_address(request), seen),
        media_type="text/event-stream",
        headers=_HEADERS,
    )


@post(
    "/messages",
    status_code=201,
    responses=_failures(
        {
            400: "The text breaks a rule.",
            401: "No valid token.",
            403: "`chat_banned`.",
            404: "There is no such chat, or the caller may not watch the live.",
            409: "`chat_off`, `chat_closed`, `chat_ended`, or another text for this key.",
            429: "`chat_too_fast`, or `chat_slow_mode`; `Retry-After` says how long to wait.",
            503: "`chat_unavailable`: messages cannot be reached for a moment.",
        }
    ),
    security=BEARER,
    summary="Write a message",
)
async def write(
    request: AnyRequest,
    video_id: VideoId,
    data: JSONBody[NewMessage],
    principal: Caller,
    *,
    chat: TheChat,
    grant: Grant = None,
    idempotency_key: IdempotencyKey = None,
) -> Success[ChatMessage]:
    """Readers get it as an event, the writer too."""
    message = await chat.post(
        video_id,
        access.Caller(principal, grant),
        client_address(request),
        data.text,
        idempotency_key,
    )
    return Success(
        data=ChatMessage(
            id=message.id,
            at=round(message.at * 1000),
            user_id=message.user_id,
            username=message.username,
            text=message.text,
        )
    )


@delete(
    "/messages/{message_id:str}",
    status_code=204,
    responses=_OWN,
    security=BEARER,
    summary="Remove a message",
)
async def remove(
    video_id: VideoId,
    message_id: MessageId,
    principal: Caller,
    chat: TheChat,
    grant: Grant = None,
) -> None:
    """By the owner of the live, or by whoever has written it. It is in no replay."""
    await chat.remove(video_id, access.Caller(principal, grant), message_id)


@patch("/", responses=_OWN, security=BEARER, summary="Close a chat, or slow it down")
async def change(
    video_id: VideoId, data: JSONBody[ChatChange], principal: Caller, chat: TheChat
) -> Success[ChatFacts]:
    caller = access.Caller(principal)
    await chat.change(video_id, caller, is_open=data.open, slow_seconds=data.slow_seconds)
    return Success(data=ChatFacts(**msgspec.structs.asdict(await chat.shown(video_id, caller))))


@get("/bans", responses=_OWN, security=BEARER, summary="Who may not write")
async def bans(video_id: VideoId, principal: Caller, chat: TheChat) -> Success[list[ChatBan]]:
    """The newest 500."""
    found = await chat.bans(video_id, access.Caller(principal))
    return Success(data=[ChatBan(**msgspec.structs.asdict(ban)) for ban in found])


@put(
    "/bans/{user_id:str}",
    status_code=204,
    responses=_OWN,
    security=BEARER,
    summary="Let somebody write no more",
)
async def ban(
    video_id: VideoId,
    user_id: UserId,
    data: JSONBody[NewBan],
    principal: Caller,
    chat: TheChat,
) -> None:
    """Somebody who has written here. What they wrote is removed."""
    await chat.ban(video_id, access.Caller(principal), user_id, for_good=data.for_good)


@delete(
    "/bans/{user_id:str}",
    status_code=204,
    responses=_OWN,
    security=BEARER,
    summary="Let somebody write again",
)
async def unban(video_id: VideoId, user_id: UserId, principal: Caller, chat: TheChat) -> None:
    await chat.unban(video_id, access.Caller(principal), user_id)


def chat_router(chat: Chat) -> Router:
    """The routes of chats."""
    return Router(
        "/api/v1/live/videos/{video_id:str}/chat",
        route_handlers=[facts, events, write, remove, change, bans, ban, unban],
        dependencies={"chat": Provide(lambda: chat, sync_to_thread=False)},
        tags=["live"],
    )


async def _stream(
    chat: Chat, room: Room, caller: access.Caller, address: str, seen: str | None
) -> AsyncIterator[bytes]:
    async with chat.hub.reading(room, caller, address, seen) as reader:
        yield _RETRY
        while True:
            try:
                event = await reader.next(HEARTBEAT_SECONDS)
            except TimeoutError:
                event = _HEARTBEAT
            if event is None:
                return
            yield event
