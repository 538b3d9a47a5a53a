"""An upload, from its start to the one event that ends it. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from services.ingest.details import Details
from shared.contracts import (
    Event,
    UploadAborted,
    UploadExpired,
    UploadProtocol,
    UploadRejected,
    UploadStarted,
    VideoUploaded,
)
from shared.errors import Conflict, InvalidInput

Status = Literal["none", "open", "uploaded", "aborted", "rejected", "expired"]


class NotAVideo(InvalidInput):
    """The content is no accepted container, whatever the file's name."""

    code = "not_a_video"


class UploadClosed(Conflict):
    """The upload has ended otherwise."""

    code = "upload_closed"


class State(msgspec.Struct, frozen=True):
    """An upload, folded from its events."""

    status: Status = "none"
    user_id: str = ""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """``size`` in bytes; None where the client does not know it yet."""

    video_id: str
    user_id: str
    protocol: UploadProtocol
    details: Details
    size: int | None = None


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """The object is whole and durable. ``sha256`` in hex; None where no process saw all bytes."""

    video_id: str
    user_id: str
    details: Details
    content_type: str
    size: int
    source_key: str
    sha256: str | None = None


class Abort(msgspec.Struct, frozen=True, kw_only=True):
    video_id: str
    user_id: str
    reason: str


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """``code`` is for machines and stable, ``reason`` is for people."""

    video_id: str
    user_id: str
    code: str
    reason: str


class Expire(msgspec.Struct, frozen=True, kw_only=True):
    video_id: str
    user_id: str


Command = Start | Complete | Abort | Reject | Expire


def initial() -> State:
    """An upload before its first event."""
    return State()


def decide(state: State, command: Command) -> Sequence[Event]:
    """The events that a command leads to; none where it has had its effect already.

    Raises UploadClosed where the upload ended otherwise.
    """
    match command:
        case Start():
            return _start(state, command)
        case Complete():
            return _complete(state, command)
        case Abort():
            aborted = UploadAborted(
                video_id=command.video_id, user_id=command.user_id, reason=command.reason
            )
            return _end(state, "aborted", aborted)
        case Reject():
            rejected = UploadRejected(
                video_id=command.video_id,
                user_id=command.user_id,
                code=command.code,
                reason=command.reason,
            )
            return _end(state, "rejected", rejected)
        case Expire():
            expired = UploadExpired(video_id=command.video_id, user_id=command.user_id)
            return _end(state, "expired", expired)


def evolve(state: State, event: Event) -> State:
    """The state after an event."""
    match event:
        case UploadStarted():
            return State("open", event.user_id)
        case VideoUploaded():
            return State("uploaded", event.user_id)
        case UploadAborted():
            return State("aborted", event.user_id)
        case UploadRejected():
            return State("rejected", event.user_id)
        case UploadExpired():
            return State("expired", event.user_id)
        case _:
            return state


def source_key(video_id: str) -> str:
    """The key of a video's source in the bucket of sources."""
    return f"{video_id}/source"


def readable_size(size: int) -> str:
    """Bytes for people: ``20 GiB``, ``1.5 MiB``, ``17 bytes``."""
    for exponent, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**exponent:
            return f"{size / 1024**exponent:.4g} {unit}"
    return f"{size} bytes"


def _start(state: State, command: Start) -> Sequence[Event]:
    if state.status == "open":
        return ()
    if state.status != "none":
        raise UploadClosed(f"This upload is {state.status}.")
    return (
        UploadStarted(
            video_id=command.video_id,
            user_id=command.user_id,
            protocol=command.protocol,
            title=command.details.title,
            description=command.details.description or None,
            filename=command.details.filename or None,
            size=command.size,
            visibility=command.details.shown,
        ),
    )


def _complete(state: State, command: Complete) -> Sequence[Event]:
    if state.status == "uploaded":
        return ()
    if state.status != "open":
        raise UploadClosed(f"This upload is {state.status}.")
    return (
        VideoUploaded(
            video_id=command.video_id,
            user_id=command.user_id,
            title=command.details.title or "",
            description=command.details.description,
            filename=command.details.filename,
            content_type=command.content_type,
            size=command.size,
            source_key=command.source_key,
            sha256=command.sha256,
            tags=command.details.tags,
            # An upload that a version without visibilities has begun.
            visibility=command.details.shown or "public",
            publish_at=command.details.published,
            hdr=command.details.wish,
            downloads=command.details.offered,
        ),
    )


def _end(state: State, status: Status, event: Event) -> Sequence[Event]:
    if state.status == "open":
        return (event,)
    if state.status == "uploaded":
        raise UploadClosed("This upload is complete.")
    return ()
