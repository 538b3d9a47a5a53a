"""The captions task: reads the source's text tracks, as WebVTT files that are safe to show.

One run reads all tracks. What ffmpeg writes is read as strictly as a file that a person sends, by
the same code. No failure of a text track is one of the video.
"""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding.ffmpeg_texts import extract_texts
from services.transcoder.encoding.probe import classify_failure
from services.transcoder.object_keys import captions_key
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.texts import unreadable_note
from services.transcoder.worker.context import TaskContext, WorkerContext, limits, publish_object
from shared.captions.cues import MAX_BYTES, RefusedCaptions, webvtt
from shared.captions.files import read_captions
from shared.contracts import CaptionsExtracted, CaptionTrack, SourceNote, TextTrack, new_id
from shared.programs.process import RunFailed, run_ffmpeg
from shared.telemetry import get_logger

_log = get_logger(__name__)

_NO_TEXT: Final = "it has no text in it."
_BROKEN: Final = "it cannot be read."
_CONTENT_TYPE: Final = "text/vtt"
# Seconds: a source that its own clock says to be short may be large.
_SECONDS_PER_MEGABYTE: Final = 0.05
_MEGABYTE: Final = 1_000_000


async def extract_captions(worker: WorkerContext, context: TaskContext) -> CaptionsExtracted:
    """Read the text tracks of the source. Raises TaskFailed where the storage or time is short."""
    facts = context.plan.source
    await _run(worker, context, facts.texts)
    tracks: list[CaptionTrack] = []
    notes: list[SourceNote] = []
    for text in facts.texts:
        try:
            body = await asyncio.to_thread(_converted, _file(context.folder, text))
        except RefusedCaptions as refused:
            notes.append(unreadable_note(text, str(refused)))
            continue
        # A key of its own, as of every file of captions: nothing that is under way deletes it.
        key = captions_key(context.task.video_id, text.language, new_id())
        tracks.append(
            CaptionTrack(
                language=text.language,
                kind=text.kind,
                label=text.label,
                object=await publish_object(worker.media, key, body, _CONTENT_TYPE),
                origin="file",
            )
        )
    return CaptionsExtracted(
        video_id=context.task.video_id,
        attempt=context.task.attempt,
        tracks=tuple(tracks),
        worker=worker.name,
        notes=tuple(notes),
    )


async def _run(worker: WorkerContext, context: TaskContext, texts: tuple[TextTrack, ...]) -> None:
    """Write each track into its file. What a run that fails has written counts."""
    # A remuxed copy has no text tracks.
    source = await worker.sources.open_whole(context.task.source_key)
    facts = context.plan.source
    targets = {text.stream: _file(context.folder, text) for text in texts}
    seconds = max(facts.duration_ms / 1000, facts.size / _MEGABYTE * _SECONDS_PER_MEGABYTE)
    allowed = limits(source, worker.tools, seconds, urgent=False)
    # ffmpeg ends a file at its limit by itself; the system's is for the case that it does not.
    allowed = msgspec.structs.replace(allowed, file_bytes=4 * MAX_BYTES)
    try:
        await run_ffmpeg(
            [worker.tools.ffmpeg, *extract_texts(source, targets, MAX_BYTES + 1)],
            context.folder,
            allowed,
        )
    except RunFailed as error:
        failure = classify_failure(error, source)
        if not isinstance(failure, MediaRejected) and not error.killed:
            raise failure from error
        _log.info("text tracks cannot all be read", task=context.task.task_id, detail=error.detail)


def _file(folder: Path, text: TextTrack) -> Path:
    return folder / f"{text.stream}.vtt"


def _converted(path: Path) -> bytes:
    """The file as it is stored. Raises RefusedCaptions, with a sentence."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RefusedCaptions(_BROKEN) from None
    if len(data) > MAX_BYTES:
        raise RefusedCaptions(f"its text is larger than {MAX_BYTES // 1024} KiB.")
    try:
        return webvtt(read_captions(data, strict=False))
    except RefusedCaptions:
        raise RefusedCaptions(_NO_TEXT) from None
