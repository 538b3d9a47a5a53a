"""Publishes playlists and manifests, again whenever more of a video has been made.

Idempotent: the same state gives the same objects under the same keys. A playlist is written only
after the objects that it names.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from services.transcoder.coordinator.media_objects import audible
from services.transcoder.coordinator.result_check import Fault, find_fault
from services.transcoder.domain import (
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
from services.transcoder.planning.ladder import encoding
from shared.blobs.store import BlobStore
from shared.contracts import (
    AudioTrack,
    Event,
    MediaRestored,
    PublishedRendition,
    Rendition,
    StoredObject,
    TranscodeCompleted,
    TranscodeFailed,
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
        """Bring the playlists up to date; returns the events that follow, some recorded already.

        Where what was made does not agree with the plan, the only one says that the attempt failed.
        """
        planned = state.planned
        if planned is None or not state.open or not is_playable(state):
            return []
        final = is_complete(state)
        fault = find_fault(state) if final and not state.repairing else None
        if fault is not None:
            return [_failed(video_id, state, fault)]
        written: tuple[StoredObject, ...] = ()
        if state.repairing and not final:
            # The playlists stay as they are; the objects that they name are being made again.
            return []
        audio = audible(state, planned)
        if not final or state.playable is not None:
            await self._put_early(state, planned, ended=final)
        if final:
            listed, written = await self.put_final(video_id, state, planned)
        else:
            listed = _listed(state, planned, audio, final=False)
            await self._put_master(video_id, planned, listed, audio, ())
        master = f"{video_id}/{MASTER}"
        return _events(state, planned, master, listed, written if final else None)

    async def put_final(
        self, video_id: str, state: Transcode, planned: TranscodePlanned
    ) -> tuple[list[PublishedRendition], tuple[StoredObject, ...]]:
        """Write the playlists of a complete video, the multivariant playlist and manifest last.

        Returns what the multivariant playlist lists, and the objects that were written.
        """
        audio = audible(state, planned)
        written: list[StoredObject] = []
        for track in audio:
            name = audio_name(track.index)
            segments = hls.audio_segments(planned, state.audio[name])
            text = hls.media_playlist(segments, ended=True)
            written.append(await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=True))
        listed = _listed(state, planned, audio, final=True)
        lines: list[str] = []
        for rendition in listed if planned.renditions else ():
            found, playlists = await self._put_rendition(video_id, state, planned, rendition)
            lines += found
            written += playlists
        written.append(await self._put_master(video_id, planned, listed, audio, lines, final=True))
        document = dash.manifest(state, planned, listed, audio)
        key = f"{video_id}/{dash.MANIFEST}"
        await self._media.put(key, document, dash.CONTENT_TYPE, FINISHED)
        return listed, (*written, _stored(key, document))

    async def _put_master(
        self,
        video_id: str,
        planned: TranscodePlanned,
        listed: list[PublishedRendition],
        audio: tuple[AudioTrack, ...],
        lines: Sequence[str],
        *,
        final: bool = False,
    ) -> StoredObject:
        folder = hls.relative(planned.prefix, video_id)
        sound_only = listed[0] if not planned.renditions and listed else None
        text = hls.multivariant(listed, audio, folder, sound_only, early=not final, iframes=lines)
        return await self._put(f"{video_id}/{MASTER}", text, ended=final)

    async def _put_early(self, state: Transcode, planned: TranscodePlanned, *, ended: bool) -> None:
        # A passthrough rendition may be complete long before the encoded ones.
        whole = ended or ready_chunks(state) == len(planned.chunks)
        for rendition in early_renditions(planned):
            segments = hls.rendition_segments(state, rendition.name, early=True)
            text = hls.media_playlist(segments, ended=whole, growing=True)
            name = hls.early_name(rendition.name)
            await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=ended)
        for track in audible(state, planned):
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
    ) -> tuple[list[str], list[StoredObject]]:
        """Write a rendition's playlists.

        Returns the multivariant lines of its I-frame playlist, and the objects that were written.
        """
        name = rendition.name
        segments = hls.rendition_segments(state, name, early=False)
        text = hls.media_playlist(segments, ended=True)
        written = [await self._put(f"{planned.prefix}/{name}.m3u8", text, ended=True)]
        folder = hls.relative(planned.prefix, video_id)
        pictures = iframe_playlist(segments)
        line = iframe_stream_inf(rendition, segments, folder)
        if pictures is None or line is None:
            return [], written
        key = f"{planned.prefix}/{iframes_name(name)}.m3u8"
        return [line], [*written, await self._put(key, pictures, ended=True)]

    async def _put(self, key: str, text: str, *, ended: bool) -> StoredObject:
        cache = FINISHED if ended else GROWING
        data = text.encode()
        await self._media.put(key, data, CONTENT_TYPE, cache)
        return _stored(key, data)


def _failed(video_id: str, state: Transcode, fault: Fault) -> TranscodeFailed:
    return TranscodeFailed(
        video_id=video_id,
        attempt=state.attempt,
        code=fault.code,
        reason=fault.reason,
        detail=fault.detail,
    )


def _stored(key: str, data: bytes) -> StoredObject:
    return StoredObject(key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest())


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
    written: tuple[StoredObject, ...] | None,
) -> list[Event]:
    """The events that follow. ``written``: the playlists, where they are those of the whole."""
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
    if written is None:
        return events
    if state.repairing:
        events.append(MediaRestored(video_id=video_id, attempt=state.attempt, playlists=written))
    else:
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
                playlists=written,
            )
        )
    return events


def _stored_bytes(state: Transcode) -> int:
    """Bytes of all segments."""
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    return sum(segment.size for track in tracks for segment in track.segments)
