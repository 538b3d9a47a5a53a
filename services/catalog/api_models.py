"""JSON shapes of the API, made from rows."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from urllib.parse import quote

import msgspec

from services.catalog.chapters import Chapter, read_chapters
from services.catalog.rows import JobStatus, VideoStatus
from shared.contracts import (
    SHOWN_TO_OTHERS,
    CaptionKind,
    CaptionOrigin,
    CaptionTrack,
    DownloadFile,
    Downloads,
    VideoRange,
    Visibility,
)
from shared.http.grants import grant
from shared.http.paging import encode_cursor
from shared.text_rules import tag_key

GRANT_SECONDS: Final = 6 * 3600
# Grants end on the hour, so responses and their ETags stay the same until then.
_GRANT_STEP: Final = 3600
_TAG_IDS: Final = uuid.UUID("6f1c5d1e-3c0a-5f5e-9d59-2f8c5d0a7b11")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:]{1,255}\Z")


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` derives from the name: tags that differ only in case share it."""

    id: str
    name: str


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """A rendition of a video; bandwidths in bits per second.

    ``video_range``: ``PQ`` or ``HLG`` where it is HDR.
    """

    name: str
    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codecs: str
    frame_rate: float
    video_range: VideoRange = "SDR"


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A video that is live. ``started_at``: the time of its first picture, null before it.

    ``connected``: its publisher is there; it may come back. ``ended``: the last segments arrive,
    and it is an ordinary video soon. ``latency``: ``low`` or ``standard``. ``viewers``: how many
    watch now, some seconds ago; null where that is not known.
    """

    started_at: datetime | None
    connected: bool
    latency: str
    ended: bool
    viewers: int | None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The video as an MP4 file. ``size`` in bytes; the address is the owner's for some hours."""

    rendition: str
    width: int
    height: int
    size: int
    url: str


class Captions(msgspec.Struct, frozen=True, kw_only=True):
    """Captions in one language (a BCP 47 tag), as a WebVTT file at ``url``.

    ``kind``: ``captions`` say what is heard besides speech, too. ``origin``: a person has stored
    them, or they were in the video's ``file``.
    """

    language: str
    kind: CaptionKind
    label: str
    origin: CaptionOrigin
    url: str


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """``video`` is the HLS multivariant playlist, empty until the video is playable.

    ``live`` is null unless ``status`` is ``live``; ``was_live``: it is one, or was. ``downloads``:
    who but the owner may have ``files``, which are empty for others and until they are made.
    ``chapters``: from the time stamps in the description.
    """

    id: str
    video: str
    title: str
    description: str
    user_id: str
    duration: str
    thumbnail: str
    views: int
    tags: list[Tag]
    created_at: datetime = msgspec.field(name="CreatedAt")
    updated_at: datetime = msgspec.field(name="UpdatedAt")
    username: str
    duration_ms: int | None
    width: int | None
    height: int | None
    status: VideoStatus
    playable: bool
    visibility: Visibility
    publish_at: datetime | None
    renditions: list[Rendition]
    storyboard: str | None
    preview: str | None
    dash: str | None
    live: Live | None
    was_live: bool
    downloads: Downloads
    files: list[File]
    chapters: list[Chapter]
    captions: list[Captions]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a video lacks of its file, or how it differs: a stable code and a sentence."""

    code: str
    text: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The processing of an upload; ``id`` is the video's id."""

    id: str
    video_id: str
    user_id: str
    status: JobStatus
    title: str
    description: str
    created_at: datetime
    updated_at: datetime
    error_message: str | msgspec.UnsetType = msgspec.UNSET
    error_code: str | msgspec.UnsetType = msgspec.UNSET
    progress: float
    playable: bool
    stage: str
    attempts: int
    notes: list[Note]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user with their newest videos. ``email`` is present only if the caller is this user."""

    id: str
    username: str
    email: str | msgspec.UnsetType = msgspec.UNSET
    created_at: datetime
    videos: list[Video]


class FeedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the caller's feed; ``cursor`` resumes after it."""

    id: str
    cursor: str
    type: str
    video_id: str | None
    at: datetime
    data: dict[str, Any]


class Links(msgspec.Struct, frozen=True):
    """Builds media URLs; they are relative if ``origin`` is empty.

    ``session`` is the id of the caller's session and ``user`` the caller's, "" without one.
    ``downloads``: who may have files of a video whose owner does not say.
    """

    secret: str
    origin: str = ""
    session: str = ""
    user: str = ""
    downloads: Downloads = "nobody"

    def for_request(self, origin: str | None, session: str = "", user: str = "") -> "Links":
        """Links for a session and with the request's ``origin``.

        That does not count where one is configured, or where it is malformed.
        """
        own = origin if origin is not None and _ORIGIN.match(origin) else ""
        return msgspec.structs.replace(self, origin=self.origin or own, session=session, user=user)

    def file(self, row: Mapping[Any, Any], rendition: str, now: float) -> str:
        """The address of a file. Its owner's opens without a token, so that a browser saves it."""
        address = f"{self.origin}/api/v1/videos/{row['id']}/download?rendition={quote(rendition)}"
        if self.user != row["user_id"]:
            return address
        return f"{address}&grant={self._grant(row['id'], now)}"

    def media(self, token: str, key: str | None) -> str | None:
        """The URL of an object of the media bucket; None without a key."""
        return f"{self.origin}/media/{token}/{quote(key)}" if key else None

    def token(self, video_id: str, visibility: Visibility, now: float) -> str:
        """``public``; for a private video or a draft a grant, which ends with the session.

        However long that lasts, a grant expires in 6 to 7 hours.
        """
        if visibility in SHOWN_TO_OTHERS:
            return "public"
        return self._grant(video_id, now)

    def _grant(self, video_id: str, now: float) -> str:
        expires_at = (int(now) // _GRANT_STEP + 1) * _GRANT_STEP + GRANT_SECONDS
        return grant(self.secret, video_id, self.session, expires_at)


def to_tag(name: str) -> Tag:
    """The tag with this name."""
    return Tag(id=str(uuid.uuid5(_TAG_IDS, tag_key(name))), name=name)


def format_duration(milliseconds: int | None) -> str:
    """``45s``, ``1:30``, ``1:02:03``; empty for None."""
    if milliseconds is None:
        return ""
    seconds = (milliseconds + 500) // 1000
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def same_fields(model: type[msgspec.Struct], source: Mapping[Any, Any]) -> dict[str, Any]:
    """The values of ``source`` that have the name of a field of ``model``."""
    return {name: source[name] for name in model.__struct_fields__ if name in source}


def to_video(row: Mapping[Any, Any], links: Links, now: float, viewers: int | None = None) -> Video:
    """A video from a row of ``select_videos``: its columns, unless computed here.

    ``viewers``: how many watch it, while it is live.
    """
    playlist = row["playlist_key"] if row["playable"] else None
    manifest = row["dash_key"] if row["playable"] else None
    token = links.token(row["id"], row["visibility"], now)
    computed: dict[str, Any] = {
        "video": links.media(token, playlist) or "",
        "duration": format_duration(row["duration_ms"]),
        "thumbnail": links.media(token, row["poster_key"]) or "",
        "views": row["shown_views"],
        "tags": [to_tag(name) for name in row["tags"]],
        "username": row["username"] or "",
        "renditions": [_to_rendition(rendition) for rendition in row["renditions"]],
        "storyboard": links.media(token, row["storyboard_key"]),
        "preview": links.media(token, row["preview_key"]),
        "dash": links.media(token, manifest),
        "was_live": row["live_latency"] is not None,
        "live": _to_live(row, viewers) if row["status"] == "live" else None,
        "downloads": downloads_of(row, links),
        "files": _to_files(row, links, now),
        "captions": to_captions(row["captions"], links, token),
        "chapters": read_chapters(row["description"], row["duration_ms"]),
    }
    return Video(**same_fields(Video, row) | computed)


def to_captions(tracks: Sequence[Any], links: Links, token: str) -> list[Captions]:
    """Captions of a row."""
    return [
        Captions(
            language=track.language,
            kind=track.kind,
            label=track.label,
            origin=track.origin,
            url=links.media(token, track.object.key) or "",
        )
        for track in msgspec.convert(tracks, list[CaptionTrack], from_attributes=True)
    ]


def downloads_of(row: Mapping[Any, Any], links: Links) -> Downloads:
    """Who but the owner may have files of a video."""
    return row["downloads"] or links.downloads


def to_job(row: Mapping[Any, Any]) -> Job:
    """A job from its row: its columns, unless computed here."""
    computed: dict[str, Any] = {
        "video_id": row["id"],
        "error_message": _unset_if_none(row["error_message"]),
        "error_code": _unset_if_none(row["error_code"]),
        "progress": round(row["progress"], 1),
        "attempts": row["attempt"],
        "notes": msgspec.convert(row["notes"], list[Note], from_attributes=True),
    }
    return Job(**same_fields(Job, row) | computed)


def to_feed_event(row: Mapping[Any, Any]) -> FeedEvent:
    """An event of the feed from its row."""
    computed: dict[str, Any] = {
        "id": str(row["event_id"]),
        "cursor": encode_cursor(row["position"]),
    }
    return FeedEvent(**same_fields(FeedEvent, row) | computed)


def _to_live(row: Mapping[Any, Any], viewers: int | None) -> Live:
    return Live(
        started_at=row["live_started_at"],
        connected=row["live_connected"],
        latency=row["live_latency"] or "standard",
        ended=row["live_ended"],
        viewers=viewers,
    )


def _to_files(row: Mapping[Any, Any], links: Links, now: float) -> list[File]:
    """The files that the caller may have."""
    if downloads_of(row, links) != "anyone" and links.user != row["user_id"]:
        return []
    return [
        File(
            rendition=file.rendition,
            width=file.width,
            height=file.height,
            size=file.size,
            url=links.file(row, file.rendition, now),
        )
        for file in msgspec.convert(row["files"], list[DownloadFile], from_attributes=True)
    ]


def _to_rendition(data: Mapping[Any, Any]) -> Rendition:
    try:
        frame_rate = float(Fraction(data["frame_rate"]))
    except (ValueError, ZeroDivisionError):
        frame_rate = 0.0
    computed: dict[str, Any] = {"frame_rate": round(frame_rate, 3)}
    return Rendition(**same_fields(Rendition, data) | computed)


def _unset_if_none(value: str | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value
