"""Publishes playlists and manifests, again whenever more of a video has been made.

Idempotent: the same state gives the same objects under the same keys. A playlist is written only
after the objects that it names.
"""

from typing import Final

from services.transcoder.coordinator.media_objects import audible
from services.transcoder.coordinator.playlist_documents import (
    CONTENT_TYPE,
    final_documents,
    listed,
    multivariant,
)
from services.transcoder.coordinator.result_check import Fault, find_fault
from services.transcoder.domain.state import (
    Transcode,
    audio_name,
    early_renditions,
    is_complete,
    is_playable,
    ready_chunks,
)
from services.transcoder.manifests import dash, hls
from services.transcoder.manifests.hls import MASTER
from shared.blobs.store import BlobStore
from shared.contracts import (
    Event,
    MediaRestored,
    PublishedRendition,
    StoredObject,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    VideoPlayable,
)

# Players reload a growing playlist every few seconds. A finished one changes only when the video is
# made again or compacted.
GROWING: Final = "public, max-age=1"
FINISHED: Final = "public, max-age=60"


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
            found, written = await self.put_final(video_id, state, planned)
        else:
            found = listed(state, planned, audio, final=False)
            master = multivariant(video_id, planned, found, audio, [])
            await self._media.put(master.key, master.data, CONTENT_TYPE, GROWING)
        return _events(state, planned, f"{video_id}/{MASTER}", found, written if final else None)

    async def put_final(
        self, video_id: str, state: Transcode, planned: TranscodePlanned
    ) -> tuple[list[PublishedRendition], tuple[StoredObject, ...]]:
        """Write the playlists of a complete video, the multivariant playlist and manifest last.

        Returns what the multivariant playlist lists, and the objects that were written.
        """
        found, documents = final_documents(video_id, state, planned)
        for each in documents:
            await self._media.put(each.key, each.data, each.content_type, FINISHED)
        return found, tuple(each.stored for each in documents)

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

    async def _put(self, key: str, text: str, *, ended: bool) -> None:
        cache = FINISHED if ended else GROWING
        await self._media.put(key, text.encode(), CONTENT_TYPE, cache)


def _failed(video_id: str, state: Transcode, fault: Fault) -> TranscodeFailed:
    return TranscodeFailed(
        video_id=video_id,
        attempt=state.attempt,
        code=fault.code,
        reason=fault.reason,
        detail=fault.detail,
    )


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
