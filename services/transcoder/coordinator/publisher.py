"""Publishes playlists and manifests, again whenever more of a video has been made.

Idempotent: the same state gives the same objects under the same keys. A playlist is written only
after the objects that it names.
"""

from collections.abc import Sequence
from typing import Final

from services.transcoder.domain import (
    SoundTrack,
    Transcode,
    audio_name,
    early_renditions,
    is_complete,
    is_playable,
    ready_chunks,
)
from services.transcoder.manifests import dash, hls
from services.transcoder.manifests.hls import MASTER, Rates
from services.transcoder.manifests.hls_iframes import (
    iframe_playlist,
    iframe_stream_inf,
    iframes_name,
)
from services.transcoder.object_keys import sprite_key
from services.transcoder.planning.ladder import encoding
from services.transcoder.planning.object_join import JoinedObject, join_tracks
from shared.blobs.store import BlobStore
from shared.contracts import (
    AudioTrack,
    Event,
    MediaRestored,
    PublishedRendition,
    Rendition,
    TranscodeCompleted,
    TranscodePlanned,
    VideoPlayable,
)

CONTENT_TYPE: Final = "application/vnd.apple.mpegurl"
# Players reload a growing playlist every few seconds. A finished one changes only when the video is
# made again or compacted.
GROWING: Final = "public, max-age=1"
FINISHED: Final = "public, max-age=60"

_SOUND_ONLY: Final = audio_name(0)


class Publisher:
    """Writes playlists to the media bucket."""

    def __init__(self, media: BlobStore) -> None:
        self._media = media

    async def publish(self, video_id: str, state: Transcode) -> list[Event]:
        """Bring the playlists up to date; returns the events that follow, some recorded already."""
        planned = state.planned
        if planned is None or not state.open or not is_playable(state):
            return []
        final = is_complete(state)
        if state.repairing and not final:
            # The playlists stay as they are; the objects that they name are being made again.
            return []
        audio = _audible(state, planned)
        if not final or state.playable is not None:
            await self._put_early(state, planned, ended=final)
        if final:
            listed = await self.put_final(video_id, state, planned)
        else:
            listed = _listed(state, planned, audio, final=False)
            await self._put_master(video_id, planned, listed, audio, ())
        return _events(state, planned, f"{video_id}/{MASTER}", listed, final=final)

    async def put_final(
        self, video_id: str, state: Transcode, planned: TranscodePlanned
    ) -> list[PublishedRendition]:
        """Write the playlists of a complete video, the multivariant playlist and manifest last."""
        audio = _audible(state, planned)
        for track in audio:
            name = audio_name(track.index)
            segments = hls.audio_segments(planned, state.audio[name])
            text = hls.media_playlist(segments, ended=True)
            await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=True)
        listed = _listed(state, planned, audio, final=True)
        lines: list[str] = []
        for rendition in listed if planned.renditions else ():
            lines += await self._put_rendition(video_id, state, planned, rendition)
        await self._put_master(video_id, planned, listed, audio, lines, final=True)
        document = dash.manifest(state, planned, listed, audio)
        await self._media.put(f"{video_id}/{dash.MANIFEST}", document, dash.CONTENT_TYPE, FINISHED)
        return listed

    async def _put_master(
        self,
        video_id: str,
        planned: TranscodePlanned,
        listed: list[PublishedRendition],
        audio: tuple[AudioTrack, ...],
        lines: Sequence[str],
        *,
        final: bool = False,
    ) -> None:
        folder = hls.relative(planned.prefix, video_id)
        sound_only = listed[0] if not planned.renditions and listed else None
        text = hls.multivariant(listed, audio, folder, sound_only, early=not final, iframes=lines)
        await self._put(f"{video_id}/{MASTER}", text, ended=final)

    async def _put_early(self, state: Transcode, planned: TranscodePlanned, *, ended: bool) -> None:
        # A passthrough rendition may be complete long before the encoded ones.
        whole = ended or ready_chunks(state) == len(planned.chunks)
        for rendition in early_renditions(planned):
            segments = hls.rendition_segments(state, rendition.name, early=True)
            text = hls.media_playlist(segments, ended=whole, growing=True)
            name = hls.early_name(rendition.name)
            await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=ended)
        for track in _audible(state, planned):
            sound = state.audio[audio_name(track.index)]
            segments = hls.audio_segments(planned, sound)
            text = hls.media_playlist(segments, ended=ended or sound.complete, growing=True)
            name = hls.early_name(audio_name(track.index))
            await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=ended)

    async def _put_rendition(
        self,
        video_id: str,
        state: Transcode,
        planned: TranscodePlanned,
        rendition: PublishedRendition,
    ) -> list[str]:
        """Write a rendition's playlists; returns the multivariant lines of its I-frame playlist."""
        name = rendition.name
        segments = hls.rendition_segments(state, name, early=False)
        text = hls.media_playlist(segments, ended=True)
        await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=True)
        folder = hls.relative(planned.prefix, video_id)
        pictures = iframe_playlist(segments)
        line = iframe_stream_inf(rendition, segments, folder)
        if pictures is None or line is None:
            return []
        await self._put(f"{planned.prefix}/{iframes_name(name)}.m3u8", pictures, ended=True)
        return [line]

    async def _put(self, key: str, text: str, *, ended: bool) -> None:
        cache = FINISHED if ended else GROWING
        await self._media.put(key, text.encode(), CONTENT_TYPE, cache)


def _audible(state: Transcode, planned: TranscodePlanned) -> tuple[AudioTrack, ...]:
    """The sound tracks that have segments."""
    return tuple(
        track
        for track in planned.audio
        if state.audio.get(audio_name(track.index), SoundTrack()).segments
    )


def _listed(
    state: Transcode,
    planned: TranscodePlanned,
    audio: tuple[AudioTrack, ...],
    *,
    final: bool,
) -> list[PublishedRendition]:
    loudest = _loudest(state, planned, audio) if final else hls.AUDIO_CEILING
    if not audio:
        loudest = Rates(0, 0)
    sound_codecs = state.audio[audio_name(audio[0].index)].parts[0].codecs if audio else None
    if not planned.renditions:
        return [
            PublishedRendition(
                name=_SOUND_ONLY,
                width=0,
                height=0,
                bandwidth=loudest.peak,
                average_bandwidth=loudest.average,
                codecs=sound_codecs or "",
                frame_rate="0/1",
            )
        ]
    listed: list[PublishedRendition] = []
    for rendition in _by_codec(planned) if final else early_renditions(planned):
        if final or rendition.passthrough:
            segments = hls.rendition_segments(state, rendition.name, early=not final)
            rates = hls.measured(segments)
            codecs = state.video[rendition.name][0].codecs
        else:
            rates, codecs = hls.ceiling(rendition), encoding(rendition).codecs
        listed.append(hls.published(rendition, rates + loudest, codecs, sound_codecs))
    return listed


def _by_codec(planned: TranscodePlanned) -> list[Rendition]:
    """H.264, which every player supports, comes first."""
    return sorted(planned.renditions, key=lambda each: each.video_codec != "h264")


def _loudest(state: Transcode, planned: TranscodePlanned, audio: tuple[AudioTrack, ...]) -> Rates:
    sounds = [hls.audio_segments(planned, state.audio[audio_name(track.index)]) for track in audio]
    rates = [hls.measured(sound) for sound in sounds]
    return max(rates, key=lambda each: each.peak, default=Rates(0, 0))


def _events(
    state: Transcode,
    planned: TranscodePlanned,
    master: str,
    listed: list[PublishedRendition],
    *,
    final: bool,
) -> list[Event]:
    top = planned.renditions[0] if planned.renditions else None
    width, height = (top.width, top.height) if top else (0, 0)
    video_id, duration = planned.video_id, planned.source.duration_ms
    events: list[Event] = []
    if state.playable is None:
        events.append(
            VideoPlayable(
                video_id=video_id,
                attempt=state.attempt,
                playlist_key=master,
                duration_ms=duration,
                width=width,
                height=height,
            )
        )
    if state.repairing:
        events.append(MediaRestored(video_id=video_id, attempt=state.attempt))
    elif final:
        events.append(
            TranscodeCompleted(
                video_id=video_id,
                attempt=state.attempt,
                playlist_key=master,
                duration_ms=duration,
                width=width,
                height=height,
                renditions=tuple(listed),
                size=_stored_bytes(state),
                dash_key=f"{video_id}/{dash.MANIFEST}",
            )
        )
    return events


def _stored_bytes(state: Transcode) -> int:
    """Bytes of all segments."""
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    return sum(segment.size for track in tracks for segment in track.segments)


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
    for track in _audible(state, planned):
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
    keys |= sprites(state)
    if planned.remuxed_key is not None:
        # Missing media are made again from the remuxed copy.
        keys.add(planned.remuxed_key)
    names = [iframes_name(name) for name in state.video]
    # Joined objects, which playlists may name before the event is recorded.
    keys |= {whole.key for whole, _ in planned_joins(state)}
    if replaced:
        keys |= state.replaced
        # Players that started early still follow the early playlists.
        names += [hls.early_name(name) for name in (*state.video, *state.audio)]
    return keys | {f"{planned.prefix}/{name}.m3u8" for name in names}


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
