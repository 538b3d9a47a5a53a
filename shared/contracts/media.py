"""Facts about media that several services speak of: source, renditions, chunks, segments.

Durations in a track's own timescale are called ticks; everything else is milliseconds or bytes.
"""

import msgspec


class VideoTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The source's picture. ``width`` and ``height`` are as displayed: after rotation and SAR.

    ``longest_frame_ms`` is the longest that one frame stays on screen, 0 where that is not known.
    """

    codec: str
    width: int
    height: int
    rotation: int = 0
    frame_rate: str = "0/1"
    pixel_format: str | None = None
    interlaced: bool = False
    hdr: bool = False
    longest_frame_ms: int = 0


class AudioTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One sound track of the source."""

    index: int
    codec: str
    channels: int = 2
    sample_rate: int = 48000
    language: str | None = None


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What ffprobe says of a source."""

    container: str
    duration_ms: int
    size: int
    bit_rate: int | None = None
    video: VideoTrack | None = None
    audio: tuple[AudioTrack, ...] = ()


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One rung of the ladder. ``frame_rate`` is a fraction such as ``30000/1001``."""

    name: str
    width: int
    height: int
    frame_rate: str
    video_codec: str = "h264"
    passthrough: bool = False


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A run of whole segments that one task encodes. Frames are frames of the output."""

    index: int
    first_segment: int
    segments: int
    first_frame: int
    frames: int | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One CMAF segment: where it starts and how long it is (ticks), how large (bytes).

    ``key_bytes`` is how many of its bytes hold its first picture; sound has none.
    """

    index: int
    start: int
    duration: int
    size: int
    offset: int = 0
    key_bytes: int | msgspec.UnsetType = msgspec.UNSET


class EncodedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The segments that one task made for one rendition or audio track.

    ``timescale`` is ticks per second, ``init_sha256`` the hash of the init segment, which must be
    the same for every chunk of a track, ``codecs`` an RFC 6381 string.
    """

    name: str
    timescale: int
    codecs: str
    init_key: str
    init_sha256: str
    init_size: int = 0
    key: str | None = None
    segments: tuple[Segment, ...] = ()


class CompactedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """All of a track, init segment first, as one object of ``size`` bytes under ``key``."""

    track: str
    key: str
    size: int


class PublishedRendition(msgspec.Struct, frozen=True, kw_only=True):
    """A finished rendition as the multivariant playlist lists it (bits per second)."""

    name: str
    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codecs: str
    frame_rate: str
