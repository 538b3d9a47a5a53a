"""Folds the transcoder's events into the rows of a job and its video. Pure."""

from datetime import datetime

import msgspec

from services.catalog.captions import takeable
from services.catalog.rows import JobRow, VideoRow, VideoStatus
from shared.contracts import (
    CaptionsExtracted,
    DownloadsMade,
    Event,
    SourceFacts,
    ThumbnailsCreated,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    VideoPlayable,
)

AttemptEvent = (
    TranscodePlanned
    | TranscodeProgressed
    | VideoPlayable
    | ThumbnailsCreated
    | TranscodeCompleted
    | TranscodeFailed
)


class Changed(msgspec.Struct, frozen=True):
    """The rows that an event changed."""

    job: bool = True
    video: bool = True


_NOTHING = Changed(job=False, video=False)
_ONLY_THE_JOB = Changed(video=False)


def fold_transcode(event: Event, at: datetime, job: JobRow, video: VideoRow | None) -> Changed:
    """Fold one event into the rows. Late events of an earlier attempt are ignored.

    ``video`` is None before VideoUploaded.
    """
    match event:
        case TranscodeCancelled():
            fail_job(job, at, "cancelled", "cancelled", "Processing was cancelled.")
            _set_status(video, "failed")
        case TranscodeRetried():
            _retry(event, job, video)
        case DownloadsMade() if video is not None and event.attempt >= job.attempt:
            # Nothing that others are shown has changed, so neither do times.
            video.files = event.files
            return Changed(job=False)
        case CaptionsExtracted() if event.attempt >= job.attempt:
            job.notes = (*job.notes, *event.notes)
            if video is not None:
                removed = video.captions_removed
                video.captions_found = takeable(video.captions, removed, event.tracks)
        case _ if isinstance(event, AttemptEvent) and event.attempt >= job.attempt:
            job.attempt = event.attempt
            _advance(event, at, job, video)
        case _:
            return _NOTHING
    job.updated_at = at
    # Progress is reported often and changes only the job.
    if video is None or isinstance(event, TranscodeProgressed):
        return _ONLY_THE_JOB
    video.updated_at = at
    return Changed()


def _advance(event: AttemptEvent, at: datetime, job: JobRow, video: VideoRow | None) -> None:
    match event:
        case TranscodePlanned():
            job.status, job.stage = "processing", "planned"
            job.notes = event.source.notes
            if video is not None:
                _describe(video, event.source)
        case TranscodeProgressed():
            if job.status not in {"completed", "failed"}:
                job.status, job.stage = "processing", event.stage
                job.progress = max(job.progress, min(event.percent, 100.0))
        case VideoPlayable():
            job.playable = True
            _publish(video, event)
        case ThumbnailsCreated():
            if video is not None:
                video.poster_key = event.poster_key
                video.storyboard_key = event.storyboard_key or video.storyboard_key
                video.preview_key = event.preview_key or video.preview_key
        case TranscodeCompleted():
            job.status, job.stage, job.progress = "completed", "completed", 100.0
            job.error_code = job.error_message = None
            job.playable = True
            _publish(video, event)
            if video is not None:
                video.renditions = event.renditions
        case TranscodeFailed():
            fail_job(job, at, "failed", event.code, event.reason)
            _set_status(video, "failed")


def fail_job(job: JobRow, at: datetime, stage: str, code: str, reason: str) -> None:
    """Set a job's status to failed, with its last stage and the error."""
    job.status, job.stage, job.updated_at = "failed", stage, at
    job.error_code, job.error_message = code, reason


def _retry(event: TranscodeRetried, job: JobRow, video: VideoRow | None) -> None:
    job.status, job.stage, job.attempt = "pending", "queued", event.attempt
    job.error_code = job.error_message = None
    job.progress, job.playable, job.notes = 0.0, False, ()
    if video is not None:
        video.playable, video.renditions, video.files = False, (), ()
        video.playlist_key = video.dash_key = None
        video.poster_key = video.storyboard_key = video.preview_key = None
        _set_status(video, "processing")


def _set_status(video: VideoRow | None, status: VideoStatus) -> None:
    if video is not None:
        video.status = status


def _describe(video: VideoRow, source: SourceFacts) -> None:
    """Set the source's duration and size, which are known before encoding."""
    video.duration_ms = source.duration_ms
    if source.video is not None:
        video.width, video.height = source.video.width, source.video.height


def _publish(video: VideoRow | None, event: VideoPlayable | TranscodeCompleted) -> None:
    if video is None:
        return
    video.playable, video.status = True, "ready"
    video.playlist_key = event.playlist_key
    video.dash_key = event.dash_key or video.dash_key
    video.duration_ms, video.width, video.height = event.duration_ms, event.width, event.height
