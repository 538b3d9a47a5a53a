"""The playlists and manifests of a complete video, as they follow from its events. Pure."""

import hashlib
from typing import Final

import msgspec

from services.transcoder.coordinator.media_objects import audible
from services.transcoder.domain.state import Transcode, audio_name, early_renditions
from services.transcoder.manifests import dash, hls
from services.transcoder.manifests.hls import MASTER, Rates
from services.transcoder.manifests.hls_iframes import (
    iframe_playlist,
    iframe_stream_inf,
    iframes_name,
)
from services.transcoder.planning.ladder import encoding
from shared.contracts import (
    AudioTrack,
    PublishedRendition,
    Rendition,
    StoredObject,
    TranscodePlanned,
)

CONTENT_TYPE: Final = "application/vnd.apple.mpegurl"

_SOUND_ONLY: Final = audio_name(0)


class Document(msgspec.Struct, frozen=True):
    """A playlist or manifest. Each is written after those that it names."""

    key: str
    data: bytes
    content_type: str = CONTENT_TYPE

    @property
    def stored(self) -> StoredObject:
        """What the log states of it."""
        sha256 = hashlib.sha256(self.data).hexdigest()
        return StoredObject(key=self.key, size=len(self.data), sha256=sha256)


def final_documents(
    video_id: str, state: Transcode, planned: TranscodePlanned
) -> tuple[list[PublishedRendition], list[Document]]:
    """What the multivariant playlist lists, and all documents, it and the manifest last."""
    audio = audible(state, planned)
    documents: list[Document] = []
    for track in audio:
        name = audio_name(track.index)
        text = hls.media_playlist(hls.audio_segments(planned, state.audio[name]), ended=True)
        documents.append(Document(f"{planned.prefix}/{name}.m3u8", text.encode()))
    found = listed(state, planned, audio, final=True)
    lines: list[str] = []
    for rendition in found if planned.renditions else ():
        line, playlists = _rendition(video_id, state, planned, rendition)
        lines += line
        documents += playlists
    documents.append(multivariant(video_id, planned, found, audio, lines, final=True))
    manifest = dash.manifest(state, planned, found, audio)
    documents.append(Document(f"{video_id}/{dash.MANIFEST}", manifest, dash.CONTENT_TYPE))
    return found, documents


def multivariant(
    video_id: str,
    planned: TranscodePlanned,
    renditions: list[PublishedRendition],
    audio: tuple[AudioTrack, ...],
    lines: list[str],
    *,
    final: bool = False,
) -> Document:
    """The multivariant playlist; ``lines``: those of I-frame playlists."""
    folder = hls.relative(planned.prefix, video_id)
    sound_only = renditions[0] if not planned.renditions and renditions else None
    text = hls.multivariant(renditions, audio, folder, sound_only, early=not final, iframes=lines)
    return Document(f"{video_id}/{MASTER}", text.encode())


def _rendition(
    video_id: str, state: Transcode, planned: TranscodePlanned, rendition: PublishedRendition
) -> tuple[list[str], list[Document]]:
    """The multivariant lines of a rendition's I-frame playlist, and the rendition's playlists."""
    name = rendition.name
    segments = hls.rendition_segments(state, name, early=False)
    text = hls.media_playlist(segments, ended=True)
    documents = [Document(f"{planned.prefix}/{name}.m3u8", text.encode())]
    folder = hls.relative(planned.prefix, video_id)
    pictures = iframe_playlist(segments)
    line = iframe_stream_inf(rendition, segments, folder)
    if pictures is None or line is None:
        return [], documents
    key = f"{planned.prefix}/{iframes_name(name)}.m3u8"
    return [line], [*documents, Document(key, pictures.encode())]


def listed(
    state: Transcode,
    planned: TranscodePlanned,
    audio: tuple[AudioTrack, ...],
    *,
    final: bool,
) -> list[PublishedRendition]:
    """What the multivariant playlist lists; ``final``: of a complete video."""
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
    found: list[PublishedRendition] = []
    for rendition in _by_codec(planned) if final else early_renditions(planned):
        if final or rendition.passthrough:
            segments = hls.rendition_segments(state, rendition.name, early=not final)
            rates = hls.measured(segments)
            codecs = state.video[rendition.name][0].codecs
        else:
            rates, codecs = hls.ceiling(rendition), encoding(rendition).codecs
        found.append(hls.published(rendition, rates + loudest, codecs, sound_codecs))
    return found


def _by_codec(planned: TranscodePlanned) -> list[Rendition]:
    """H.264, which every player supports, comes first."""
    return sorted(planned.renditions, key=lambda each: each.video_codec != "h264")


def _loudest(state: Transcode, planned: TranscodePlanned, audio: tuple[AudioTrack, ...]) -> Rates:
    sounds = [hls.audio_segments(planned, state.audio[audio_name(track.index)]) for track in audio]
    rates = [hls.measured(sound) for sound in sounds]
    return max(rates, key=lambda each: each.peak, default=Rates(0, 0))
