"""Routes of a job's steps as Server-Sent Events, and of a video's timeline."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter
from litestar.response import Stream

from services.catalog import api_models
from services.catalog.event_tail.tail import Follower, SessionEnded
from services.catalog.http.access import is_id, is_owner
from services.catalog.http.dependencies import Caller, Catalog, TheCatalog
from services.catalog.http.jobs import find_own_job
from services.catalog.queries.timeline import (
    Timeline,
    build_timeline,
    ended_after,
    has_ended,
    in_order,
)
from services.catalog.read_model.folding import Fold
from services.catalog.read_model.public_events import public_fields
from shared.contracts import Category, stream_id
from shared.event_store.store import RecordedEvent, SequencedEvent
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER

HEARTBEAT_SECONDS: Final = 15.0
# What is no id of ours is taken for none: an EventSource cannot be told of an error.
_POSITION: Final = re.compile("[0-9]{1,18}")
_RETRY: Final = b"retry: 2000\n\n"
_HEARTBEAT: Final = b": still here\n\n"
_STREAMS: Final[tuple[Category, ...]] = ("upload", "livesession", "transcode", "video")
_HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@get(
    "/jobs/{job_id:str}/events",
    tags=["jobs"],
    summary="A job's steps as they happen",
    security=BEARER,
    media_type="text/event-stream",
)
async def steps(
    principal: Caller,
    catalog: TheCatalog,
    job_id: FromPath[str],
    last_event_id: Annotated[str | None, HeaderParameter(name="last-event-id")] = None,
) -> Response[Any]:
    """Server-Sent Events: all past steps, then each new one, until the job has ended.

    ``Last-Event-ID`` resumes after that step. The stream ends with the caller's session. 204 if the
    job has ended and all steps were sent; an EventSource then does not reconnect.
    """
    video_id = (await find_own_job(catalog, principal, job_id))["id"]
    seen = int(last_event_id) if last_event_id and _POSITION.fullmatch(last_event_id) else 0
    catalog.histories.check(principal.user_id)
    history = await _history(catalog, principal, video_id)
    if has_ended(history) and all(_was_seen(event, seen) for event in history):
        return Response(None, status_code=204)
    return Stream(
        _stream(catalog, principal, video_id, seen),
        media_type="text/event-stream",
        headers=_HEADERS,
    )


@get(
    "/videos/{video_id:str}/timeline",
    tags=["videos"],
    summary="A video's timeline",
    security=BEARER,
)
async def timeline(
    principal: Caller, catalog: TheCatalog, video_id: FromPath[str]
) -> Success[Timeline]:
    """Each step of a video, with its time, duration, worker and error. For the owner."""
    id_ = await _own_live(catalog, principal, video_id)
    if id_ is None:
        id_ = (await find_own_job(catalog, principal, video_id))["id"]
    catalog.histories.check(principal.user_id)
    return Success(data=build_timeline(id_, await _history(catalog, principal, id_)))


HANDLERS: Final[list[HTTPRouteHandler]] = [steps, timeline]


async def _own_live(catalog: Catalog, principal: Principal, video_id: str) -> str | None:
    """The caller's video of this id, if it was live; such a one has no job."""
    row = await catalog.views.video(video_id.lower()) if is_id(video_id.lower()) else None
    if row is None or row["live_latency"] is None or not is_owner(row, principal):
        return None
    found: str = row["id"]
    return found


class JobMessages:
    """Turns a job's events, from the first one, into messages that hold the job after the event.

    No event is kept: thousands of streams may follow jobs of thousands of events.
    """

    def __init__(self) -> None:
        self._fold = Fold()
        self.ended = False
        """Whether the job has ended after the added events."""

    def add(self, recorded: SequencedEvent, video_id: str) -> bytes:
        """One event as a message (WHATWG HTML, section 9.2)."""
        self._fold.apply(recorded)
        self._fold.feed.clear()
        self.ended = ended_after(recorded, self.ended)
        row = self._fold.jobs.get(video_id)
        data = msgspec.json.encode(
            {
                "type": recorded.type,
                "video_id": video_id,
                "at": recorded.recorded_at,
                "data": public_fields(recorded.data),
                "job": None if row is None else api_models.to_job(msgspec.structs.asdict(row)),
            }
        )
        head = f"id: {recorded.position}\nevent: {recorded.type}\ndata: ".encode()
        return b"%s%s\n\n" % (head, data)


async def _stream(
    catalog: Catalog, principal: Principal, video_id: str, seen: int
) -> AsyncIterator[bytes]:
    async with catalog.tail.follow(video_id, principal) as follower:
        # Events up to ``since`` come from the streams, later ones from the tail: without a gap
        # and without an overlap.
        messages = JobMessages()
        yield _RETRY
        for event in await _history(catalog, principal, video_id):
            if not isinstance(event, SequencedEvent) or event.position > follower.since:
                continue
            message = messages.add(event, video_id)
            if event.position > seen:
                yield message
        while not messages.ended:
            try:
                async for message in _next(follower, messages, seen):
                    yield message
            except SessionEnded:
                return
            if follower.exhausted:
                return


async def _next(follower: Follower, messages: JobMessages, seen: int) -> AsyncIterator[bytes]:
    try:
        event = await follower.next(HEARTBEAT_SECONDS)
    except TimeoutError:
        yield _HEARTBEAT
        return
    message = messages.add(event, follower.video_id)
    if event.position > seen:
        yield message


def _was_seen(event: RecordedEvent, seen: int) -> bool:
    return isinstance(event, SequencedEvent) and event.position <= seen


async def _history(
    catalog: Catalog, principal: Principal, video_id: str
) -> Sequence[RecordedEvent]:
    streams = (stream_id(category, video_id) for category in _STREAMS)
    return in_order(await catalog.histories.read(principal.user_id, streams))
