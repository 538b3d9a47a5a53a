"""One video's transcode: what its current attempt has made, and how far that goes. Pure."""

from typing import Final, Literal

import msgspec

from services.transcoder.planning.plan import h264_renditions, passthrough_rendition
from shared.contracts import (
    CaptionsExtracted,
    DownloadFile,
    EncodedTrack,
    Rendition,
    StoredObject,
    ThumbnailsCreated,
    TranscodePlanned,
    VideoPlayable,
)

Phase = Literal["pending", "running", "completed", "failed", "cancelled"]

# The names of the images task and of the one that reads text tracks.
IMAGES: Final = "images"
CAPTIONS: Final = "captions"
# Who requested an attempt that no person did.
SYSTEM: Final = "system"


class SoundTrack(msgspec.Struct, frozen=True):
    """The encoded parts of one sound track, in order, and whether they are complete."""

    parts: tuple[EncodedTrack, ...] = ()
    complete: bool = False

    @property
    def segments(self) -> int:
        return sum(len(part.segments) for part in self.parts)


class Transcode(msgspec.Struct, frozen=True):
    """The current attempt. ``video`` is keyed by rendition, then by chunk.

    ``repairing``: the video was completed, and lost objects are being made again;
    ``before_repair`` is the state that it returns to if that fails. ``lost``: every key that has
    ever been missing. ``unrepairable``: those that could not be restored. ``replaced``: objects
    that compaction has joined into others. ``downloads``: the files that are put
    together on request. ``sprites`` is keyed by chunk. ``playlists``: those of the complete video.
    ``plain``: this attempt decodes the whole source first. ``counted``: an
    earlier attempt's plan has been counted, and this one was not asked for.
    """

    attempt: int = 1
    phase: Phase = "pending"
    planned: TranscodePlanned | None = None
    video: dict[str, dict[int, EncodedTrack]] = {}
    audio: dict[str, SoundTrack] = {}
    images: ThumbnailsCreated | None = None
    captions: CaptionsExtracted | None = None
    sprites: dict[int, StoredObject] = {}
    playlists: tuple[StoredObject, ...] = ()
    playable: VideoPlayable | None = None
    percent: float = 0.0
    repairing: bool = False
    lost: frozenset[str] = frozenset()
    unrepairable: frozenset[str] = frozenset()
    before_repair: "Transcode | None" = None
    replaced: frozenset[str] = frozenset()
    downloads: tuple[DownloadFile, ...] = ()
    plain: bool = False
    counted: bool = False

    @property
    def open(self) -> bool:
        return self.phase in ("pending", "running")


def audio_name(index: int) -> str:
    """The name of sound track ``index`` in events, tasks and playlists."""
    return f"audio-{index}"


def media_keys(state: Transcode) -> frozenset[str]:
    """The keys of all segments and init segments."""
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    return frozenset(key for t in tracks for key in (t.init_key, t.key) if key)


def early_renditions(planned: TranscodePlanned) -> tuple[Rendition, ...]:
    """The renditions that players get while the video is being made.

    These are all H.264 renditions, or the passthrough rendition alone, which is made long before
    the others.
    """
    top = passthrough_rendition(planned)
    return h264_renditions(planned) if top is None else (top,)


def ready_chunks(state: Transcode) -> int:
    """How many chunks from the first on are ready in all early renditions.

    The first chunk needs the lowest rendition only, because all early playlists begin with it.
    """
    planned = state.planned
    if planned is None:
        return 0
    names = [rendition.name for rendition in early_renditions(planned)]
    ready = 0
    for chunk in planned.chunks:
        needed = names[-1:] if chunk.index == 0 else names
        if not all(chunk.index in state.video.get(name, {}) for name in needed):
            break
        ready += 1
    return ready


def is_playable(state: Transcode) -> bool:
    """Whether the first segments of video and sound have been made."""
    planned = state.planned
    if planned is None:
        return False
    has_picture = not planned.renditions or ready_chunks(state) > 0
    return has_picture and all(
        _sound(state, track.index).segments > 0 or _sound(state, track.index).complete
        for track in planned.audio
    )


def is_complete(state: Transcode) -> bool:
    """Whether everything that was planned has been made."""
    planned = state.planned
    if planned is None or state.images is None:
        return False
    if planned.source.texts and state.captions is None:
        return False
    every_chunk = all(
        chunk.index in state.video.get(rendition.name, {})
        for chunk in planned.chunks
        for rendition in planned.renditions
    )
    return every_chunk and all(_sound(state, track.index).complete for track in planned.audio)


def _sound(state: Transcode, index: int) -> SoundTrack:
    return state.audio.get(audio_name(index), SoundTrack())
