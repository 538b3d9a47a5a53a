"""``/api/v1/live/streams``: what a person sets up, its key, its state, its sessions."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, Parameter

from services.live.domain.stream import MAX_RECONNECT_SECONDS, LiveSettings
from services.live.handlers.live_streams import LiveStreams, Shown, Status
from services.live.handlers.planning import Wish
from services.live.http.addresses import Addresses
from services.live.ports import Health
from services.live.srt.logins import SrtLogins
from shared.contracts import ClipsBy, Latency
from shared.http.envelope import Failure, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.text_rules import MAX_DESCRIPTION, MAX_TITLE

Caller = NamedDependency[Principal]
TheStreams = NamedDependency[LiveStreams]
TheAddresses = NamedDependency[Addresses]
Srt = NamedDependency[SrtLogins | None]
LiveId = Annotated[
    str,
    Parameter(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="The live stream's id.",
    ),
]

# A session plays while it is made, so there is no draft of it.
LiveVisibility = Literal["public", "unlisted", "private"]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=4 * MAX_TITLE)]
Description = Annotated[str, msgspec.Meta(max_length=4 * MAX_DESCRIPTION)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
ReconnectSeconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_RECONNECT_SECONDS)]


class NewLiveStream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``record``: whether each session is kept as a video. A session whose publisher is gone for
    ``reconnect_seconds`` ends. ``latency``: low is some two seconds, standard some ten. ``chat``:
    whether viewers may write to each other. ``scheduled_at``: when its next live begins; a page
    with a countdown waits for it."""

    title: Title
    description: Description = ""
    visibility: LiveVisibility = "public"
    latency: Latency = "low"
    record: bool = True
    reconnect_seconds: ReconnectSeconds = 60
    chat: bool = True
    scheduled_at: Moment | None = None


class LiveStreamChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays. A running session keeps its title, visibility and latency.
    ``clips_by``: who may make clips of its lives. Without ``scheduled_at`` (null), no live is
    planned any more."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    visibility: LiveVisibility | msgspec.UnsetType = msgspec.UNSET
    latency: Latency | msgspec.UnsetType = msgspec.UNSET
    record: bool | msgspec.UnsetType = msgspec.UNSET
    reconnect_seconds: ReconnectSeconds | msgspec.UnsetType = msgspec.UNSET
    clips_by: ClipsBy | msgspec.UnsetType = msgspec.UNSET
    chat: bool | msgspec.UnsetType = msgspec.UNSET
    scheduled_at: Moment | msgspec.UnsetType | None = msgspec.UNSET


class LiveStream(msgspec.Struct, frozen=True, kw_only=True):
    """``video_id``: the video that the running session is; null while there is none. The next live
    is planned for ``scheduled_at``, and ``planned_id`` is its page; null where none is.

    Addresses of publishers are null for ways by which none are received here. ``srt_url`` wants a
    stream id and a passphrase, which are shown with the stream key; ``whip_url`` wants the stream
    key as a bearer token."""

    id: str
    title: str
    description: str
    visibility: LiveVisibility
    latency: Latency
    record: bool
    reconnect_seconds: int
    clips_by: ClipsBy
    chat: bool
    status: Status
    video_id: str | None
    rtmp_url: str
    rtmps_url: str | None
    srt_url: str | None
    whip_url: str | None
    scheduled_at: datetime | None
    planned_id: str | None
    created_at: datetime


class LiveStreamWithKey(LiveStream, frozen=True, kw_only=True):
    """The key is in this answer only, and so is what goes with it: who publishes by SRT names
    itself by ``srt_stream_id`` and encrypts with ``srt_passphrase``. Both are null where none are
    received by SRT."""

    stream_key: str
    srt_stream_id: str | None
    srt_passphrase: str | None


class LiveHealth(Health, frozen=True, kw_only=True):
    """What the running publisher sends, and how many watch; null where that is not known.
    ``end_reason``: why the last session has ended, in a sentence; null while one runs."""

    status: Status
    viewers: int | None
    end_reason: str | None = None


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """One time that the stream was live. ``started_at`` is null before its first picture;
    ``end_reason``: why it has ended, in a sentence.

    ``peak_viewers``: the most at one time; ``total_viewers``: all of them, each once a day.
    """

    video_id: str
    title: str
    started_at: datetime | None
    ended_at: datetime | None
    peak_viewers: int | None
    total_viewers: int | None
    end_reason: str | None = None


def _failures(described: dict[int, str]) -> dict[int, ResponseSpec]:
    """A sentence per status. Without invented examples, which need packages that images lack."""
    return {
        status: ResponseSpec(Failure, description=sentence, generate_examples=False)
        for status, sentence in described.items()
    }


_OWN: Final = _failures({401: "No valid token.", 404: "You have no such live stream."})
_CHANGED: Final = {**_failures({400: "What was sent breaks a rule."}), **_OWN}


@post(
    "/",
    status_code=201,
    responses=_failures(
        {
            400: "What was sent breaks a rule.",
            401: "No valid token.",
            403: "You have as many live streams, or planned lives, as you may have.",
            409: "The idempotency key was used differently.",
        }
    ),
    summary="Set up a live stream",
)
async def create(
    data: JSONBody[NewLiveStream],
    principal: Caller,
    streams: TheStreams,
    addresses: TheAddresses,
    *,
    srt: Srt,
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[LiveStreamWithKey]]:
    """Answers with the stream key, which is shown once. A repetition with the same
    Idempotency-Key answers with the same stream and a new key."""
    values = msgspec.structs.asdict(data)
    wish = _wish(values.pop("scheduled_at"), principal)
    settings = LiveSettings(**values)
    shown, key = await streams.create(principal.user_id, settings, idempotency_key, wish)
    return Response(
        Success(data=_with_key(shown, key, addresses, srt)),
        status_code=201,
        headers={"location": f"/api/v1/live/streams/{shown.id}", "cache-control": "no-store"},
    )


@get("/", responses=_failures({401: "No valid token."}), summary="My live streams")
async def mine(
    principal: Caller, streams: TheStreams, addresses: TheAddresses
) -> Success[list[LiveStream]]:
    found = await streams.all(principal.user_id)
    return Success(data=[_shown(each, addresses) for each in found])


@get("/{live_id:str}", responses=_OWN, summary="A live stream")
async def one(
    live_id: LiveId, principal: Caller, streams: TheStreams, addresses: TheAddresses
) -> Success[LiveStream]:
    return Success(data=_shown(await streams.get(principal.user_id, live_id), addresses))


@patch("/{live_id:str}", responses=_CHANGED, summary="Change a live stream")
async def change(
    live_id: LiveId,
    data: JSONBody[LiveStreamChange],
    principal: Caller,
    streams: TheStreams,
    addresses: TheAddresses,
) -> Success[LiveStream]:
    changes = {
        name: value
        for name, value in msgspec.structs.asdict(data).items()
        if value is not msgspec.UNSET
    }
    wish: Wish | msgspec.UnsetType | None = msgspec.UNSET
    if "scheduled_at" in changes:
        wish = _wish(changes.pop("scheduled_at"), principal)
    changed = await streams.change(principal.user_id, live_id, changes, wish)
    return Success(data=_shown(changed, addresses))


@delete("/{live_id:str}", status_code=204, responses=_OWN, summary="Delete a live stream")
async def remove(live_id: LiveId, principal: Caller, streams: TheStreams) -> None:
    """A running session ends. The videos of its sessions stay."""
    await streams.delete(principal.user_id, live_id)


@post("/{live_id:str}/key", status_code=200, responses=_OWN, summary="Replace the stream key")
async def rotate(
    live_id: LiveId, principal: Caller, streams: TheStreams, addresses: TheAddresses, srt: Srt
) -> Response[Success[LiveStreamWithKey]]:
    """The old key is refused from now on, and so are its stream id and passphrase of SRT. A
    publisher that uses them is closed, and the session waits for one with the new key."""
    shown, key = await streams.rotate(principal.user_id, live_id)
    return Response(
        Success(data=_with_key(shown, key, addresses, srt)), headers={"cache-control": "no-store"}
    )


@post("/{live_id:str}/enable", status_code=200, responses=_OWN, summary="Accept publishers")
async def enable(
    live_id: LiveId, principal: Caller, streams: TheStreams, addresses: TheAddresses
) -> Success[LiveStream]:
    return Success(data=_shown(await streams.enable(principal.user_id, live_id), addresses))


@post("/{live_id:str}/disable", status_code=200, responses=_OWN, summary="Refuse publishers")
async def disable(
    live_id: LiveId, principal: Caller, streams: TheStreams, addresses: TheAddresses
) -> Success[LiveStream]:
    """A running session ends."""
    return Success(data=_shown(await streams.disable(principal.user_id, live_id), addresses))


@post("/{live_id:str}/complete", status_code=200, responses=_OWN, summary="End the session")
async def complete(
    live_id: LiveId, principal: Caller, streams: TheStreams, addresses: TheAddresses
) -> Success[LiveStream]:
    """Ends the running session now; it becomes an ordinary video. May be repeated."""
    return Success(data=_shown(await streams.complete(principal.user_id, live_id), addresses))


@get("/{live_id:str}/health", responses=_OWN, summary="How the publisher is doing")
async def health(live_id: LiveId, principal: Caller, streams: TheStreams) -> Success[LiveHealth]:
    found = await streams.health(principal.user_id, live_id)
    return Success(
        data=LiveHealth(
            status=found.status,
            viewers=found.viewers,
            end_reason=found.end_reason,
            **msgspec.structs.asdict(found.measured),
        )
    )


@get("/{live_id:str}/sessions", responses=_OWN, summary="The times that it was live")
async def sessions(
    live_id: LiveId, principal: Caller, streams: TheStreams
) -> Success[list[LiveSession]]:
    """The newest hundred, the newest first."""
    found = await streams.sessions(principal.user_id, live_id)
    return Success(
        data=[
            LiveSession(
                video_id=row.video_id,
                title=row.title,
                started_at=row.started_at,
                ended_at=row.ended_at,
                end_reason=row.end_reason,
                peak_viewers=row.peak_viewers,
                total_viewers=row.total_viewers,
            )
            for row in found
        ]
    )


def streams_router() -> Router:
    """The routes of live streams."""
    return Router(
        "/api/v1/live/streams",
        route_handlers=[
            *(create, mine, one, change, remove),
            *(rotate, enable, disable, complete, health, sessions),
        ],
        security=BEARER,
        tags=["live"],
    )


def _wish(scheduled_at: datetime | None, principal: Principal) -> Wish | None:
    return None if scheduled_at is None else Wish(scheduled_at, principal.username)


def _shown(shown: Shown, addresses: Addresses) -> LiveStream:
    return LiveStream(**_fields(shown, addresses))


def _with_key(
    shown: Shown, key: str, addresses: Addresses, srt: SrtLogins | None
) -> LiveStreamWithKey:
    login = None if srt is None else srt.of_key(key)
    return LiveStreamWithKey(
        **_fields(shown, addresses),
        stream_key=key,
        srt_stream_id=None if login is None else login.stream_id,
        srt_passphrase=None if login is None else login.passphrase,
    )


def _fields(shown: Shown, addresses: Addresses) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(shown.settings),
        **msgspec.structs.asdict(addresses),
        "id": shown.id,
        "clips_by": shown.clips_by,
        "status": shown.status,
        "video_id": shown.video_id,
        "created_at": shown.created_at,
        "scheduled_at": shown.scheduled_at,
        "planned_id": shown.planned_id,
    }
