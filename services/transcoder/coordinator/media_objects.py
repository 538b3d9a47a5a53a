"""Which objects belong to a completed video, and which of them it needs. Pure."""

from collections.abc import Callable
from typing import Literal

from services.transcoder.domain.state import SoundTrack, Transcode, audio_name, media_keys
from services.transcoder.manifests import dash, hls
from services.transcoder.manifests.hls import MASTER
from services.transcoder.manifests.hls_iframes import iframes_name
from services.transcoder.object_keys import is_of_live, sprite_key
from services.transcoder.planning.object_join import JoinedObject, join_tracks
from shared.contracts import AudioTrack, TranscodePlanned
from shared.moved_media import note_key


def audible(state: Transcode, planned: TranscodePlanned) -> tuple[AudioTrack, ...]:
    """The sound tracks that have segments."""
    return tuple(
        track
        for track in planned.audio
        if state.audio.get(audio_name(track.index), SoundTrack()).segments
    )


def required(video_id: str, state: Transcode) -> set[str]:
    """The keys of all objects that a completed video needs to play completely."""
    planned = state.planned
    if planned is None:
        return set()
    keys = {f"{video_id}/{MASTER}", f"{video_id}/{dash.MANIFEST}"}
    for name, chunks in state.video.items():
        keys.add(f"{planned.prefix}/{name}.m3u8")
        for track in chunks.values():
            keys |= {track.init_key, track.key or ""}
    for track in audible(state, planned):
        name = audio_name(track.index)
        keys.add(f"{planned.prefix}/{name}.m3u8")
        for part in state.audio[name].parts:
            keys |= {part.init_key, part.key or ""}
    if state.images is not None:
        images = state.images
        keys |= {images.poster_key, images.storyboard_key or "", images.preview_key or ""}
    return keys - {""}


def referenced(video_id: str, state: Transcode, *, replaced: bool = True) -> set[str]:
    """The keys of all objects that belong to a completed video, required or not.

    ``replaced``: include the objects and early playlists that compaction has replaced, for players
    that still use them.
    """
    planned = state.planned
    if planned is None:
        return set()
    keys = required(video_id, state)
    keys |= sprites(state) | {each.index.key for each in state.downloads}
    # Missing media are made again from the remuxed copy, or the picture.
    keys |= {key for key in (planned.remuxed_key, planned.picture_key) if key is not None}
    names = [iframes_name(name) for name in state.video]
    # Joined objects, which playlists may name before the event is recorded, and their notes.
    keys |= {whole.key for whole, _ in planned_joins(state)}
    keys |= {note_key(key) for key in media_keys(state)}
    if replaced:
        keys |= state.replaced
        # Players that started early still follow the early playlists.
        names += [hls.early_name(name) for name in (*state.video, *state.audio)]
    return keys | {f"{planned.prefix}/{name}.m3u8" for name in names}


Fate = Literal["delete", "keep", "later"]
"""What becomes of an object that was listed for deletion."""


def fates(video_id: str, state: Transcode, *, replaced: bool) -> Callable[[str], Fate]:
    """What the log says now of each listed object of a video that is not deleted, by its key.

    ``replaced``: compaction has replaced them, and the time in which players may use them is over.
    While a transcode or a repair is under way, nothing is deleted.
    """
    kept = set[str]()
    if state.phase == "completed":
        kept = referenced(video_id, state, replaced=not replaced)

    def fate(key: str) -> Fate:
        if is_of_live(video_id, key) or key in kept:
            return "keep"
        return "later" if state.open else "delete"

    return fate


def planned_joins(state: Transcode) -> list[tuple[JoinedObject, str]]:
    """The objects that compaction makes of a complete video, with their content types."""
    video = ((name, [c[i] for i in sorted(c)], "video/mp4") for name, c in state.video.items())
    audio = ((name, sound.parts, "audio/mp4") for name, sound in state.audio.items())
    found = ((join_tracks(name, tracks), kind) for name, tracks, kind in (*video, *audio))
    return [(whole, kind) for whole, kind in found if whole is not None]


def sprites(state: Transcode) -> set[str]:
    """The keys of the sprites, without which a video still plays."""
    planned = state.planned
    if planned is None:
        return set()
    return {sprite_key(planned.prefix, chunk.index) for chunk in planned.chunks}
