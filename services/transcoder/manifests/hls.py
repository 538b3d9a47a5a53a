"""Writes HLS playlists (RFC 8216 and its second edition) from a transcode's state. Pure.

URIs are relative, so that playlists are valid under any path or CDN.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.domain.state import (
    SoundTrack,
    Transcode,
    audio_name,
    early_renditions,
    ready_chunks,
)
from services.transcoder.planning.ladder import encoding
from shared.contracts import (
    AudioTrack,
    EncodedTrack,
    PublishedRendition,
    Rendition,
    TranscodePlanned,
)

VERSION: Final = 7
MASTER: Final = "master.m3u8"

# The highest rate of our AAC over a segment, container included, in bits per second.
_AUDIO_CEILING: Final = 160_000


class MediaSegment(msgspec.Struct, frozen=True):
    """A segment as a media playlist lists it; offset and sizes in bytes.

    The init segment is the first ``init_size`` bytes of ``init``, all of it where that is 0.
    ``key_bytes``: the size of the first frame's part of the segment, 0 where it is unknown.
    """

    seconds: Fraction
    uri: str
    offset: int
    size: int
    init: str
    init_size: int = 0
    key_bytes: int = 0

    @property
    def bit_rate(self) -> float:
        return float(8 * self.size / self.seconds)


def media_playlist(
    segments: Sequence[MediaSegment], *, ended: bool, growing: bool = False, iframes: bool = False
) -> str:
    """The playlist of one track. ``ended``: no more segments follow.

    ``growing``: players may have loaded it before it ended, so its type stays EVENT and its lines
    never change. ``iframes``: each segment is one key frame.
    """
    # RFC 8216, 4.3.3.1: each duration, rounded to the nearest second, must not exceed the target.
    target = max([1, *(int(segment.seconds + Fraction(1, 2)) for segment in segments)])
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        f"#EXT-X-PLAYLIST-TYPE:{'EVENT' if growing or not ended else 'VOD'}",
        "#EXT-X-I-FRAMES-ONLY" if iframes else "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if growing or not ended:
        lines.append("#EXT-X-START:TIME-OFFSET=0")
    init = ""
    for segment in segments:
        if segment.init != init:
            init = segment.init
            # Without a range, ffmpeg asks for the range of the segment before on a kept connection.
            within = f',BYTERANGE="{segment.init_size}@0"' if segment.init_size else ""
            lines.append(f'#EXT-X-MAP:URI="{init}"{within}')
        lines.append(f"#EXTINF:{float(segment.seconds):.6f},")
        lines.append(f"#EXT-X-BYTERANGE:{segment.size}@{segment.offset}")
        lines.append(segment.uri)
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])


def early_name(name: str) -> str:
    """The name of a track's early playlist, which players follow while the video is being made."""
    return f"{name}-early"


def rendition_segments(state: Transcode, name: str, *, early: bool) -> list[MediaSegment]:
    """All segments of a rendition; with ``early`` those of its early playlist so far.

    Every early playlist begins with the lowest rendition's first chunk, which is encoded first. So
    all early playlists have the same length from the start, and a player that reads the
    multivariant playlist only once can switch up from the second chunk on. They keep that
    beginning; players that start later get the rendition's final playlist.
    """
    planned = state.planned
    if planned is None:
        return []
    lowest = early_renditions(planned)[-1].name
    count = ready_chunks(state) if early else len(planned.chunks)
    segments: list[MediaSegment] = []
    for chunk in planned.chunks[:count]:
        shown = lowest if chunk.index == 0 and early else name
        segments += _segments(planned.prefix, state.video[shown][chunk.index])
    return segments


def audio_segments(planned: TranscodePlanned, sound: SoundTrack) -> list[MediaSegment]:
    """The segments of a sound track so far."""
    return [segment for part in sound.parts for segment in _segments(planned.prefix, part)]


def _segments(prefix: str, track: EncodedTrack) -> list[MediaSegment]:
    key = relative(track.key or "", prefix)
    init = relative(track.init_key, prefix)
    return [
        MediaSegment(
            seconds=Fraction(s.duration, track.timescale),
            uri=key,
            offset=s.offset,
            size=s.size,
            init=init,
            init_size=track.init_size,
            key_bytes=s.key_bytes or 0,
        )
        for s in track.segments
    ]


def relative(key: str, prefix: str) -> str:
    """The URI of an object in a playlist that is stored directly under ``prefix``."""
    return key.removeprefix(f"{prefix}/")


class Rates(msgspec.Struct, frozen=True):
    """Bits per second: the highest of any segment, and the average."""

    peak: int
    average: int

    def __add__(self, other: "Rates") -> "Rates":
        return Rates(self.peak + other.peak, self.average + other.average)


def measured(segments: Sequence[MediaSegment]) -> Rates:
    """The rates of finished segments.

    The peak ignores segments of less than half the longest duration (RFC 8216, 4.1).
    """
    if not segments:
        return Rates(0, 0)
    longest = max(segment.seconds for segment in segments)
    peak = max(s.bit_rate for s in segments if s.seconds * 2 >= longest)
    seconds = sum((s.seconds for s in segments), Fraction(0))
    average = round(8 * sum(s.size for s in segments) / seconds)
    return Rates(max(round(peak), average), average)


def ceiling(rendition: Rendition) -> Rates:
    """The highest rates that the encoder's rate control allows, for unfinished renditions."""
    settings = encoding(rendition)
    return Rates(settings.max_rate + settings.buffer // 4, settings.max_rate)


AUDIO_CEILING: Final = Rates(_AUDIO_CEILING, 128_000)


def published(
    rendition: Rendition, rates: Rates, video_codecs: str, audio_codecs: str | None
) -> PublishedRendition:
    """The entry of a rendition in the multivariant playlist."""
    return PublishedRendition(
        name=rendition.name,
        width=rendition.width,
        height=rendition.height,
        bandwidth=rates.peak,
        average_bandwidth=rates.average,
        codecs=",".join(filter(None, (video_codecs, audio_codecs))),
        frame_rate=rendition.frame_rate,
        video_range=rendition.video_range,
    )


def multivariant(
    renditions: Sequence[PublishedRendition],
    audio: Sequence[AudioTrack],
    folder: str,
    sound_only: PublishedRendition | None = None,
    *,
    early: bool = False,
    iframes: Sequence[str] = (),
) -> str:
    """The multivariant playlist. ``folder``: the media playlists' folder, relative to it.

    All sound tracks are alternatives in one group; the first is the default. ``sound_only``: the
    only entry of a video without a picture. ``early``: list the early playlists. ``iframes``: lines
    that name the I-frame playlists.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    shown = early_name if early else str
    if sound_only is not None:
        lines.append(_stream_inf(sound_only, None))
        lines.append(f"{folder}/{shown(sound_only.name)}.m3u8")
        return "\n".join([*lines, ""])
    titles = _titles(audio)
    for track in audio:
        uri = f"{folder}/{shown(audio_name(track.index))}.m3u8"
        lines.append(_audio_media(track, uri, titles[track.index]))
    # Where some are HDR, players must know of each whether it is.
    ranges = any(rendition.video_range != "SDR" for rendition in renditions)
    for rendition in renditions:
        lines.append(_stream_inf(rendition, "audio" if audio else None, ranges=ranges))
        lines.append(f"{folder}/{shown(rendition.name)}.m3u8")
    return "\n".join([*lines, *iframes, ""])


def _stream_inf(rendition: PublishedRendition, group: str | None, *, ranges: bool = False) -> str:
    attributes = [f"BANDWIDTH={rendition.bandwidth}"]
    attributes.append(f"AVERAGE-BANDWIDTH={rendition.average_bandwidth}")
    attributes.append(f'CODECS="{rendition.codecs}"')
    if rendition.width:
        attributes.append(f"RESOLUTION={rendition.width}x{rendition.height}")
        attributes.append(f"FRAME-RATE={float(Fraction(rendition.frame_rate)):.3f}")
        if ranges:
            attributes.append(f"VIDEO-RANGE={rendition.video_range}")
        attributes.append("CLOSED-CAPTIONS=NONE")
    if group:
        attributes.append(f'AUDIO="{group}"')
    return f"#EXT-X-STREAM-INF:{','.join(attributes)}"


def _audio_media(track: AudioTrack, uri: str, title: str) -> str:
    attributes = ["TYPE=AUDIO", 'GROUP-ID="audio"', f'NAME="{title}"']
    if track.language:
        attributes.append(f'LANGUAGE="{track.language}"')
    attributes.append(f"DEFAULT={'YES' if track.index == 0 else 'NO'}")
    attributes.append("AUTOSELECT=YES")
    attributes.append(f'CHANNELS="{min(track.channels, 2)}"')
    attributes.append(f'URI="{uri}"')
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _titles(audio: Sequence[AudioTrack]) -> dict[int, str]:
    """A unique name for each sound track, as RFC 8216 (4.3.4.1.1) requires within a group."""
    names: dict[int, str] = {}
    for track in audio:
        name = track.language or f"Track {track.index + 1}"
        names[track.index] = f"{name} {track.index + 1}" if name in names.values() else name
    return names
