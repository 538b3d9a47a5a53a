"""Routes of clips: below the live stream, below the video that a live is, and by their own id."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, Parameter

from services.live.clips.clips import Clips, Wanted
from services.live.clips.repository import ClipRow
from services.live.clips.rules import LONGEST, SHORTEST, ClipVisibility, State
from services.live.http.streams import LiveId
from shared.http.envelope import Failure, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.text_rules import MAX_TITLE

Caller = NamedDependency[Principal]
TheClips = NamedDependency[Clips]
VideoId = Annotated[
    str,
    Parameter(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="The id of a live's video, or of a clip.",
    ),
]
Seconds = Annotated[int, msgspec.Meta(ge=SHORTEST, le=LONGEST)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=4 * MAX_TITLE)]
Uuid = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", max_length=36)
]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class NewClip(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last ``seconds`` before ``ends_at``, the time of day of a picture (the playlists have
    it); null is now, or the end. ``visibility`` is the live's where it is null; only the owner of
    the live can show a clip to more people."""

    seconds: Seconds = 30
    ends_at: Moment | None = None
    title: Title | None = None
    visibility: ClipVisibility | None = None


class NewClipOfStream(NewClip, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``video_id``: an earlier session's; null is the running one."""

    video_id: Uuid | None = None


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """``video_id`` is the clip's own video, which is there once ``state`` is ready. A clip has
    whole segments: ``started_at`` and ``duration_ms`` are its real bounds, null until then.
    ``reason`` says why it could not be made."""

    video_id: str
    source_id: str
    live_id: str
    title: str
    seconds: int
    state: State
    reason: str | None
    started_at: datetime | None
    duration_ms: int | None
    asked_at: datetime


def _failures(described: dict[int, str]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Failure, description=sentence, generate_examples=False)
        for status, sentence in described.items()
    }


_ASKED: Final = _failures(
    {
        400: "What was sent breaks a rule.",
        401: "No valid token.",
        403: "The owner does not allow clips or has no room, or there are too many today.",
        404: "There is no such live stream of yours.",
        409: "There is nothing to make a clip of, or the idempotency key was used differently.",
    }
)


@post("/streams/{live_id:str}/clips", status_code=201, responses=_ASKED, summary="Clip my live")
async def clip_stream(
    live_id: LiveId,
    data: JSONBody[NewClipOfStream],
    principal: Caller,
    clips: TheClips,
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[Clip]]:
    """A new video with copies of the live's last segments. Nothing is encoded. It stays when the
    live is deleted."""
    wanted = _wanted(data, data.video_id)
    return _made(await clips.ask(principal.user_id, live_id, wanted, idempotency_key))


@post("/videos/{video_id:str}/clips", status_code=201, responses=_ASKED, summary="Clip a live")
async def clip_video(
    video_id: VideoId,
    data: JSONBody[NewClip],
    principal: Caller,
    clips: TheClips,
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[Clip]]:
    """For everyone who can watch it, where its owner allows clips. The clip belongs to the owner
    of the live."""
    wanted = _wanted(data, video_id)
    return _made(await clips.ask(principal.user_id, None, wanted, idempotency_key))


@get(
    "/streams/{live_id:str}/clips",
    responses=_failures({401: "No valid token.", 404: "You have no such live stream."}),
    summary="Clips of my lives",
)
async def clips_of_stream(
    live_id: LiveId, principal: Caller, clips: TheClips
) -> Success[list[Clip]]:
    """The newest hundred, the newest first."""
    found = await clips.of_stream(principal.user_id, live_id)
    return Success(data=[_shown(row) for row in found])


@get(
    "/clips/{video_id:str}",
    responses=_failures({401: "No valid token.", 404: "You know of no such clip."}),
    summary="Whether a clip is ready",
)
async def one_clip(video_id: VideoId, principal: Caller, clips: TheClips) -> Success[Clip]:
    return Success(data=_shown(await clips.get(principal.user_id, video_id)))


def clips_router(clips: Clips) -> Router:
    """The routes of clips."""
    return Router(
        "/api/v1/live",
        route_handlers=[clip_stream, clip_video, clips_of_stream, one_clip],
        dependencies={"clips": Provide(lambda: clips, sync_to_thread=False)},
        security=BEARER,
        tags=["live"],
    )


def _wanted(data: NewClip, source_id: str | None) -> Wanted:
    return Wanted(
        seconds=data.seconds,
        source_id=source_id,
        ends_at=data.ends_at,
        title=data.title,
        visibility=data.visibility,
    )


def _made(row: ClipRow) -> Response[Success[Clip]]:
    location = f"/api/v1/live/clips/{row.video_id}"
    return Response(Success(data=_shown(row)), status_code=201, headers={"location": location})


def _shown(row: ClipRow) -> Clip:
    return Clip(**{name: getattr(row, name) for name in Clip.__struct_fields__})
