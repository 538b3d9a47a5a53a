"""The integration events: past-tense facts, grouped by stream category.

An event never holds a secret, token, password hash or e-mail address: events are kept for ever and
every service reads them.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from shared.contracts.media import (
    AudioTrack,
    CaptionTrack,
    Chunk,
    CompactedTrack,
    DownloadFile,
    Downloads,
    EncodedTrack,
    HdrWish,
    PublishedRendition,
    Rendition,
    SourceFacts,
    SourceNote,
    StoredObject,
)

Visibility = Literal["public", "unlisted", "private", "draft"]
SHOWN_TO_OTHERS: Final[frozenset[Visibility]] = frozenset({"public", "unlisted"})
"""With any other visibility, a video does not exist for anybody but its owner."""

UploadProtocol = Literal["multipart", "tus", "direct"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events."""


# The user category, written by auth.


class UserRegistered(Event, frozen=True, kw_only=True):
    user_id: str
    username: str


class EmailChanged(Event, frozen=True, kw_only=True):
    user_id: str


class PasswordChanged(Event, frozen=True, kw_only=True):
    user_id: str


class DefaultVisibilityChanged(Event, frozen=True, kw_only=True):
    """From now on, uploads that say no visibility have this one. Before the first one: public."""

    user_id: str
    visibility: Visibility


class SessionRevoked(Event, frozen=True, kw_only=True):
    user_id: str
    session_id: str
    reason: str


class UserDeleted(Event, frozen=True, kw_only=True):
    user_id: str


# The upload category, written by ingest.


class UploadStarted(Event, frozen=True, kw_only=True):
    """``visibility`` is None where the sender may still say it: a field after a form's file."""

    video_id: str
    user_id: str
    protocol: UploadProtocol
    title: str | None = None
    description: str | None = None
    filename: str | None = None
    size: int | None = None
    visibility: Visibility | None = None


class VideoUploaded(Event, frozen=True, kw_only=True):
    """The complete source is stored in the bucket. ``size`` in bytes, ``sha256`` in hex.

    A draft becomes public at ``publish_at``, by a VisibilityChanged. ``hdr`` and ``downloads``:
    unset where the installation decides.
    """

    video_id: str
    user_id: str
    title: str
    description: str
    filename: str
    content_type: str
    size: int
    source_key: str
    sha256: str | None = None
    tags: tuple[str, ...] = ()
    visibility: Visibility = "public"
    publish_at: datetime | None = None
    hdr: HdrWish | None = None
    downloads: Downloads | None = None


class UploadExpired(Event, frozen=True, kw_only=True):
    video_id: str
    user_id: str


class UploadAborted(Event, frozen=True, kw_only=True):
    video_id: str
    user_id: str
    reason: str


class UploadRejected(Event, frozen=True, kw_only=True):
    video_id: str
    user_id: str
    code: str
    reason: str


# The transcode category, written by the transcoder.


class TranscodePlanned(Event, frozen=True, kw_only=True):
    """Attempt ``attempt`` (from 1) was planned; its objects have the key prefix ``prefix``.

    ``borders``: the first frame of each segment if segments follow the source's key frames; empty
    if all segments have the same length. ``picture_delay_us``: microseconds from the file's first
    timestamp to its first picture. ``remuxed_key``: the copy of the source, in the media bucket,
    that the tasks read instead of the source itself. ``plain``: that copy was made by decoding the
    whole source in order, because it cannot be read in parts. ``counted``: an earlier attempt's
    plan counts for the same upload already, and nobody asked for this attempt. ``picture_key``: a
    file in the media bucket with the one picture of a source of sound alone: its cover, or its
    waveform.
    """

    video_id: str
    user_id: str
    attempt: int
    prefix: str
    source: SourceFacts
    renditions: tuple[Rendition, ...]
    chunks: tuple[Chunk, ...]
    audio: tuple[AudioTrack, ...]
    segment_ms: int
    encoder: str
    worker: str
    borders: tuple[int, ...] = ()
    picture_delay_us: int = 0
    remuxed_key: str | None = None
    plain: bool = False
    counted: bool = False
    picture_key: str | None = None


class TranscodeProgressed(Event, frozen=True, kw_only=True):
    """``percent`` from 0 to 100 of the whole video; ``speed`` in multiples of real time."""

    video_id: str
    attempt: int
    percent: float
    stage: str
    speed: float | None = None
    worker: str | None = None


class ChunkEncoded(Event, frozen=True, kw_only=True):
    """``sprite``: the chunk's sprite, if this task made one and it succeeded."""

    video_id: str
    attempt: int
    chunk: int
    tracks: tuple[EncodedTrack, ...]
    worker: str
    try_number: int
    elapsed_ms: int
    speed: float
    sprite: StoredObject | None = None


class AudioEncoded(Event, frozen=True, kw_only=True):
    """The next segments of audio tracks; ``complete`` if a track's last segment is among them."""

    video_id: str
    attempt: int
    tracks: tuple[EncodedTrack, ...]
    worker: str
    try_number: int
    elapsed_ms: int
    complete: bool = True


class ThumbnailsCreated(Event, frozen=True, kw_only=True):
    """Keys of the images in the media bucket; ``storyboard_key`` is a WebVTT file.

    ``objects``: the same objects with their sizes and hashes.
    """

    video_id: str
    attempt: int
    poster_key: str
    storyboard_key: str | None = None
    preview_key: str | None = None
    worker: str | None = None
    objects: tuple[StoredObject, ...] = ()


class CaptionsExtracted(Event, frozen=True, kw_only=True):
    """The source's text tracks were read; those that can be shown are WebVTT files.

    The catalog decides which of them become captions. ``notes``: which were left out, and why.
    """

    video_id: str
    attempt: int
    tracks: tuple[CaptionTrack, ...]
    worker: str
    notes: tuple[SourceNote, ...] = ()


class VideoPlayable(Event, frozen=True, kw_only=True):
    """The multivariant playlist at ``playlist_key`` is stored and its first segments decode."""

    video_id: str
    attempt: int
    playlist_key: str
    duration_ms: int
    width: int
    height: int
    dash_key: str | None = None


class TranscodeCompleted(Event, frozen=True, kw_only=True):
    """``playlists``: the playlists and manifests of the complete video."""

    video_id: str
    attempt: int
    playlist_key: str
    duration_ms: int
    width: int
    height: int
    renditions: tuple[PublishedRendition, ...]
    size: int
    dash_key: str | None = None
    playlists: tuple[StoredObject, ...] = ()


class TranscodeFailed(Event, frozen=True, kw_only=True):
    """``code`` is stable, ``reason`` is for people, ``detail`` is the tail of ffmpeg's stderr."""

    video_id: str
    attempt: int
    code: str
    reason: str
    detail: str | None = None
    worker: str | None = None


class MediaLost(Event, frozen=True, kw_only=True):
    """The objects ``keys`` of a completed transcode are missing from the bucket, or damaged.

    ``tasks`` names the tasks that run again to restore them; it is empty if only playlists are
    written again.
    """

    video_id: str
    attempt: int
    keys: tuple[str, ...]
    tasks: tuple[str, ...] = ()


class MediaRestored(Event, frozen=True, kw_only=True):
    """The missing objects are restored. The video stays completed.

    ``playlists``: the playlists and manifests, which were written again.
    """

    video_id: str
    attempt: int
    playlists: tuple[StoredObject, ...] = ()


class MediaRepairFailed(Event, frozen=True, kw_only=True):
    """Some of the missing objects could not be restored. The video stays as it was before.

    ``code`` is stable, ``reason`` is for people, ``detail`` is the tail of ffmpeg's stderr.
    """

    video_id: str
    attempt: int
    code: str
    reason: str
    detail: str | None = None


class MediaCompacted(Event, frozen=True, kw_only=True):
    """The objects of each track were joined into one object.

    The byte range of each segment follows from the order of the objects. The replaced objects are
    kept for ``keep_seconds``, because players may still request them. ``playlists``: the playlists
    and manifests that name the joined objects.
    """

    video_id: str
    attempt: int
    objects: tuple[CompactedTrack, ...]
    keep_seconds: int
    playlists: tuple[StoredObject, ...] = ()


class DownloadsMade(Event, frozen=True, kw_only=True):
    """A complete video can be had as these files, best first."""

    video_id: str
    attempt: int
    files: tuple[DownloadFile, ...]


class TranscodeRetried(Event, frozen=True, kw_only=True):
    """``plain``: the attempt decodes the whole source in order first, because reading it in parts
    failed or gave a wrong result; ``code`` says which."""

    video_id: str
    attempt: int
    requested_by: str
    plain: bool = False
    code: str | None = None


class TranscodeCancelled(Event, frozen=True, kw_only=True):
    video_id: str
    requested_by: str


# The video category, written by the catalog.


class DetailsChanged(Event, frozen=True, kw_only=True):
    video_id: str
    title: str
    description: str


class TagsAdded(Event, frozen=True, kw_only=True):
    video_id: str
    tags: tuple[str, ...]


class TagRemoved(Event, frozen=True, kw_only=True):
    video_id: str
    tag: str


class VisibilityChanged(Event, frozen=True, kw_only=True):
    """A draft becomes public at ``publish_at``, by another VisibilityChanged."""

    video_id: str
    visibility: Visibility
    publish_at: datetime | None = None


class DownloadsChanged(Event, frozen=True, kw_only=True):
    """The owner says who else may have the video as a file."""

    video_id: str
    downloads: Downloads


class CaptionsStored(Event, frozen=True, kw_only=True):
    """The video has captions in this language, instead of those of ``replaced_bytes`` before."""

    video_id: str
    track: CaptionTrack
    replaced_bytes: int = 0


class CaptionsRemoved(Event, frozen=True, kw_only=True):
    """The video's captions in this language, of so many bytes, are gone."""

    video_id: str
    language: str
    removed_bytes: int


class ViewsCounted(Event, frozen=True, kw_only=True):
    """``count`` views were counted since the last batch."""

    video_id: str
    count: int
    batch_id: str


class VideoBinned(Event, frozen=True, kw_only=True):
    """The owner has deleted the video, and may take it back until ``delete_at``.

    Its objects are kept that long, and nobody sees them.
    """

    video_id: str
    user_id: str
    delete_at: datetime


class VideoRestored(Event, frozen=True, kw_only=True):
    """The owner has taken the video out of the bin; it is as it was."""

    video_id: str
    user_id: str


class VideoDeleted(Event, frozen=True, kw_only=True):
    video_id: str
    user_id: str
    deleted_by: str
