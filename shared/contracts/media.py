"""Facts about media in events: source, renditions, chunks, segments.

Durations in a track's own timescale are in ticks; all others are in milliseconds. Sizes are in
bytes.
"""

from typing import Literal

import msgspec

# How the fields of an interlaced picture belong together: two moments, one picture, or film whose
# pictures are spread over fields.
Fields = Literal["apart", "whole", "telecined"]
# The range of light of a rendition, by the names of HLS: standard, or HDR by its curve.
VideoRange = Literal["SDR", "PQ", "HLG"]
# What an uploader wants of a source's HDR: renditions that keep it beside those of SDR, or none.
HdrWish = Literal["keep", "drop"]
# Who but the owner may have a video as a file.
Downloads = Literal["anyone", "nobody"]


class Colours(msgspec.Struct, frozen=True, kw_only=True):
    """The colours that a picture states, by ffmpeg's names (ITU-T H.273); unset where it does not.

    ``full_range``: values from 0 to 255, where video usually has 16 to 235.
    """

    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    full_range: bool = False


class MasteringDisplay(msgspec.Struct, frozen=True, kw_only=True):
    """The screen on which an HDR film was finished (SMPTE ST 2086).

    ``red``, ``green``, ``blue`` and ``white``: chromaticities x and y in 1/50,000. ``darkest`` and
    ``brightest``: what it shows, in 1/10,000 cd/m².
    """

    red: tuple[int, int]
    green: tuple[int, int]
    blue: tuple[int, int]
    white: tuple[int, int]
    darkest: int
    brightest: int


class ContentLight(msgspec.Struct, frozen=True, kw_only=True):
    """The brightest pixel, and the highest average of a frame, in cd/m² (CTA-861.3)."""

    brightest: int
    average: int


class VideoTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The source's video track. ``width`` and ``height`` are as displayed: after rotation and SAR.

    ``longest_frame_ms`` is the longest duration of one frame, 0 if unknown. ``length_ms``: when it
    ends, if the sound goes on after it; 0 if it is as long as the video. ``stream``: its number
    among all streams of the file; unset in older plans, where it is the first picture.
    ``mirrored``: the display matrix flips the picture from left to right before it turns it by
    ``rotation``. ``interlaced``: fields must be taken apart before it is shown. ``fields``: how
    they belong together; unset where they were not looked at. ``colours``: unset in older plans.
    ``mastering`` and ``light``: what an HDR film states of its light. ``dolby_vision``: profile and
    compatibility of its base layer, such as ``8.4``.
    """

    codec: str
    width: int
    height: int
    rotation: int = 0
    mirrored: bool = False
    stream: int | None = None
    frame_rate: str = "0/1"
    pixel_format: str | None = None
    interlaced: bool = False
    fields: Fields | None = None
    hdr: bool = False
    colours: Colours | None = None
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dolby_vision: str | None = None
    longest_frame_ms: int = 0
    length_ms: int = 0


class AudioTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One audio track of the source. ``index``: its place among those that are used.

    ``stream``: its number among all streams of the file; unset in older plans, where the tracks
    used are the first ones. ``end_ms``: when it ends, from the file's first timestamp on, as its
    packets say; unset if that is not known. ``unplaced``: nothing says which of its channels is
    left and which right, so the first two are used.
    """

    index: int
    stream: int | None = None
    codec: str
    channels: int = 2
    sample_rate: int = 48000
    language: str | None = None
    end_ms: int | None = None
    unplaced: bool = False


class SourceNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a video lacks of its source, or how it differs: a stable ``code``, a sentence for the
    uploader."""

    code: str
    text: str


CaptionKind = Literal["captions", "subtitles"]
"""Captions say what is heard besides speech, too."""
CaptionOrigin = Literal["upload", "file"]
"""A person has stored them, or they were in the video's file."""


class TextTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A text track of the source that becomes captions. ``stream``: its number among all streams.

    ``language``: a BCP 47 tag, ``und`` where the file does not say.
    """

    stream: int
    codec: str
    language: str
    kind: CaptionKind
    label: str


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A source as ffprobe describes it. ``notes``: what its uploader should know.

    ``texts``: at most one for each language.
    """

    container: str
    duration_ms: int
    size: int
    bit_rate: int | None = None
    video: VideoTrack | None = None
    audio: tuple[AudioTrack, ...] = ()
    notes: tuple[SourceNote, ...] = ()
    texts: tuple[TextTrack, ...] = ()


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition of the encoding ladder. ``frame_rate`` is a fraction such as ``30000/1001``."""

    name: str
    width: int
    height: int
    frame_rate: str
    video_codec: str = "h264"
    video_range: VideoRange = "SDR"
    passthrough: bool = False


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive whole segments that one task encodes. Frames are frames of the output."""

    index: int
    first_segment: int
    segments: int
    first_frame: int
    frames: int | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One CMAF segment: start and duration in ticks, size and offset in bytes.

    ``key_bytes`` is the length of its beginning that holds its first picture; unset for audio.
    """

    index: int
    start: int
    duration: int
    size: int
    offset: int = 0
    key_bytes: int | msgspec.UnsetType = msgspec.UNSET


class EncodedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The segments that one task made for one rendition or audio track.

    ``timescale`` is in ticks per second. ``init_sha256`` is the hash of the init segment, which
    must be the same for every chunk of a track. ``sha256`` is the hash of all segments together, or
    its first digits where no more is known. ``codecs`` is an RFC 6381 string.
    """

    name: str
    timescale: int
    codecs: str
    init_key: str
    init_sha256: str
    init_size: int = 0
    key: str | None = None
    segments: tuple[Segment, ...] = ()
    sha256: str | None = None


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object as it was written: ``size`` in bytes, ``sha256`` in hex."""

    key: str
    size: int
    sha256: str


class CaptionTrack(msgspec.Struct, frozen=True, kw_only=True):
    """Captions in one language (a BCP 47 tag), as a WebVTT file."""

    language: str
    kind: CaptionKind
    label: str
    object: StoredObject
    origin: CaptionOrigin = "upload"


class CompactedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A whole track, init segment first, as one object of ``size`` bytes at ``key``."""

    track: str
    key: str
    size: int


class DownloadFile(msgspec.Struct, frozen=True, kw_only=True):
    """An MP4 file that is put together of a video's objects whenever somebody asks for it.

    ``size`` in bytes. ``rendition`` is its picture, or its sound track where it has no picture.
    The first ``head`` bytes of the object ``index`` are its beginning; what follows there says
    where its other bytes lie (``shared.download_index``).
    """

    rendition: str
    width: int
    height: int
    size: int
    head: int
    index: StoredObject


class PublishedRendition(msgspec.Struct, frozen=True, kw_only=True):
    """A finished rendition as in the multivariant playlist; bandwidths in bits per second."""

    name: str
    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codecs: str
    frame_rate: str
    video_range: VideoRange = "SDR"
