"""Chooses the tracks of a source that are used, and says what is left out. Pure.

Only what ffmpeg decodes is used. What does not decode is left out, a picture as well as a sound,
and the uploader is told which and why: sound whose picture is lost plays with a cover or a
waveform. A file is refused where nothing of it decodes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from services.transcoder.planning.ffprobe_answer import ProbeReport, Stream
from services.transcoder.planning.media_errors import MediaRejected, rejected
from shared.contracts import SourceFacts, SourceNote

MAX_AUDIO_TRACKS: Final = 8

# Codecs whose tracks can be used as ffprobe describes them. Others are tried before.
_ORDINARY_SOUNDS: Final = frozenset(
    ("mp3", "mp2", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "dts", "truehd", "aac_latm")
)
_ORDINARY_AAC: Final = frozenset(("LC", "HE-AAC", "HE-AACv2", "Main"))
# Codecs of still pictures: beside another picture they are a cover, whatever the container says.
_STILL: Final = frozenset(("png", "bmp", "webp", "tiff", "jpegxl", "mjpeg", "mjpegb", "ljpeg"))

# Sounds that nobody wants to hear first.
_ASIDE: Final = ("visual_impaired", "comment", "descriptions")
# The brands of image sequences (ISO/IEC 23008-12).
_SEQUENCES: Final = frozenset(("avis", "msf1", "hevc", "hevx", "hevm", "hevs"))

# ffprobe's names are long or missing. Keys are codec names and, after a dot, four-character codes.
_FORMATS: Final[Mapping[str, str]] = {
    "aac": "AAC",
    "ac3": "Dolby Digital",
    "ac4": "Dolby AC-4",
    "apple_apac": "Apple Positional Audio Codec",
    ".apac": "Apple Positional Audio Codec",
    ".ac-4": "Dolby AC-4",
    "av1": "AV1",
    "eac3": "Dolby Digital Plus",
    "h264": "H.264",
    "hevc": "HEVC",
    "lcevc": "LCEVC",
    "mjpeg": "Motion JPEG",
    "mp3": "MP3",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4",
    "mpegh_3d_audio": "MPEG-H 3D Audio",
    ".mha1": "MPEG-H 3D Audio",
    ".mhm1": "MPEG-H 3D Audio",
    ".aprn": "ProRes RAW",
    ".aprh": "ProRes RAW",
    ".braw": "Blackmagic RAW",
    ".CRAW": "Canon RAW",
    "prores": "ProRes",
    "theora": "Theora",
    "vorbis": "Vorbis",
    "vp8": "VP8",
    "vp9": "VP9",
    "vvc": "VVC",
}
# So many channels, and these numbers of them, have places that ffmpeg takes for granted.
_PLACED: Final = 8
_USUAL_CHANNELS: Final = frozenset((10, 12, 14, 16, 24))
_UNNAMED: Final = frozenset(("", "none", "unknown"))


class Chosen(msgspec.Struct, frozen=True):
    """The tracks that are used. ``cover``: a still picture that comes with sound alone."""

    picture: Stream | None
    cover: Stream | None
    sounds: tuple[Stream, ...]
    notes: tuple[SourceNote, ...]


def choose_tracks(
    report: ProbeReport,
    decoders: Collection[str] | None = None,
    protected: Mapping[int, str] | None = None,
) -> Chosen:
    """The tracks of a report that are used. Raises MediaRejected where none is left.

    ``decoders``: the codecs that ffmpeg decodes; None where it is not asked. ``protected``: the
    protection of streams by their number.
    """
    locks = {**(protected or {}), **_locks(report)}
    lost: list[Stream] = []

    def usable(stream: Stream) -> bool:
        known = stream.codec_name in decoders if decoders is not None else True
        if stream.index in locks or stream.codec_name in _UNNAMED or not known:
            lost.append(stream)
            return False
        return True

    stills = _stills_of_a_sequence(report)
    moving = [s for s in report.streams if s.codec_type == "video" and not is_cover(s)]
    moving = [s for s in moving if s not in stills]
    pictures = [s for s in moving if usable(s)]
    unseen = [s for s in pictures if s.width <= 0 or s.height <= 0]
    pictures = [s for s in pictures if s not in unseen]
    covers = [s for s in report.streams if is_cover(s) and usable(s)]
    lost = [s for s in lost if not is_cover(s)]
    sounds = [s for s in report.streams if s.codec_type == "audio" and usable(s)]
    audible = [s for s in sounds if s.channels > 0 and sample_rate(s) > 0]
    picture = min(pictures, key=_rank(pictures), default=None)
    audible.sort(key=_sound_rank(report, picture))
    if picture is None and not audible:
        raise _refusal(lost, locks)
    notes = [_left_out(s, locks) for s in lost]
    notes += [_empty(s) for s in (*unseen, *sounds) if s not in audible]
    notes += [_unplaced(s) for s in audible[:MAX_AUDIO_TRACKS] if is_unplaced(s)]
    notes += [_second_picture(s) for s in pictures if s is not picture]
    notes += _too_many(audible[MAX_AUDIO_TRACKS:])
    return Chosen(
        picture, next(iter(covers), None), tuple(audible[:MAX_AUDIO_TRACKS]), tuple(notes)
    )


def cover_note(others: Sequence[SourceNote] = ()) -> SourceNote:
    """What the uploader of sound with a cover is told. ``others``: the file's other notes."""
    return SourceNote(
        code="cover_shown", text=f"{_alone(others)} Its cover is shown as the picture."
    )


def lost_notes(before: SourceFacts, after: SourceFacts) -> tuple[SourceNote, ...]:
    """What the uploader is told of the tracks that a source has, and what is decoded of it not."""
    notes: list[SourceNote] = []
    why = "left out, because nothing of it can be decoded"
    if before.video is not None and after.video is None:
        notes.append(SourceNote(code="picture_left_out", text=f"The picture was {why}."))
    lost = len(before.audio) - len(after.audio)
    if lost > 0:
        what = "The sound" if lost == len(before.audio) else "A sound track"
        if 1 < lost < len(before.audio):
            what = f"{lost} sound tracks"
            why = "left out, because nothing of them can be decoded"
        was = "were" if what[0].isdigit() else "was"
        notes.append(SourceNote(code="sound_left_out", text=f"{what} {was} {why}."))
    return tuple(notes)


def waveform_note(others: Sequence[SourceNote] = ()) -> SourceNote:
    """What the uploader of sound without a cover is told. ``others``: the file's other notes."""
    return SourceNote(
        code="waveform_shown", text=f"{_alone(others)} A picture of its sound was made for it."
    )


def _alone(others: Sequence[SourceNote]) -> str:
    lost = any(note.code == "picture_left_out" for note in others)
    return f"{'What can be decoded of the file is' if lost else 'The file holds'} sound alone."


def doubtful_sounds(report: ProbeReport) -> list[Stream]:
    """The sounds that must be tried: no parameters, or a codec that ffmpeg knows in part only."""
    return [s for s in report.streams if s.codec_type == "audio" and _is_doubtful(s)]


def unmeasured_pictures(report: ProbeReport) -> list[Stream]:
    """The moving pictures of which ffprobe does not know the pixels, because it lacks their decoder
    or none of them decodes."""
    return [
        s
        for s in report.streams
        if s.codec_type == "video" and not is_cover(s) and not (s.width and s.height and s.pix_fmt)
    ]


def measured(stream: Stream, first: Stream) -> Stream:
    """A track, with what is known of its ``first`` picture."""
    # A size that the container states is that of the picture before lines are cut off.
    whole = stream if stream.width and stream.height else first
    return msgspec.structs.replace(
        stream,
        width=whole.width,
        height=whole.height,
        sample_aspect_ratio=first.sample_aspect_ratio,
        pix_fmt=first.pix_fmt,
        color_range=first.color_range or stream.color_range,
        color_space=first.color_space or stream.color_space,
        color_primaries=first.color_primaries or stream.color_primaries,
        color_transfer=first.color_transfer or stream.color_transfer,
    )


def is_cover(stream: Stream) -> bool:
    """Whether a stream is a still picture beside the video or sound."""
    named = stream.disposition.get("attached_pic") or stream.disposition.get("timed_thumbnails")
    return stream.codec_type == "video" and bool(named)


def sample_rate(stream: Stream) -> int:
    """Samples per second; 0 where they are not known."""
    return int(stream.sample_rate) if stream.sample_rate.isdigit() else 0


def is_unplaced(stream: Stream) -> bool:
    """Whether nothing says where the channels of a sound belong, and ffmpeg cannot mix them."""
    known = stream.channel_layout not in ("", "unknown")
    return not known and stream.channels > _PLACED and stream.channels not in _USUAL_CHANNELS


def format_name(stream: Stream) -> str:
    """The name of a stream's format, for people."""
    tag = stream.codec_tag_string.strip()
    if stream.codec_name not in _UNNAMED:
        long = stream.codec_long_name or ""
        return (
            _FORMATS.get(stream.codec_name)
            or (long if long not in _UNNAMED else "")
            or (stream.codec_name)
        )
    if f".{tag}" in _FORMATS:
        return _FORMATS[f".{tag}"]
    return f"unknown format “{tag}”" if tag and tag.isalnum() else "unknown format"


def _is_doubtful(stream: Stream) -> bool:
    if stream.channels <= 0 or sample_rate(stream) <= 0:
        return True
    if stream.codec_name == "aac":
        return stream.profile not in _ORDINARY_AAC
    return stream.codec_name not in _ORDINARY_SOUNDS and not stream.codec_name.startswith("pcm_")


def _stills_of_a_sequence(report: ProbeReport) -> list[Stream]:
    """The single pictures beside the track of an AVIF or HEIF sequence, which show the same."""
    if report.format.tags.get("major_brand", "") not in _SEQUENCES:
        return []
    pictures = [s for s in report.streams if s.codec_type == "video"]
    stills = [s for s in pictures if s.nb_frames == "1"]
    return stills if len(stills) < len(pictures) else []


def _rank(pictures: Sequence[Stream]) -> Callable[[Stream], tuple[bool, bool, int, int]]:
    mixed = any(s.codec_name not in _STILL for s in pictures)

    def rank(stream: Stream) -> tuple[bool, bool, int, int]:
        still = mixed and stream.codec_name in _STILL
        usual = bool(stream.disposition.get("default"))
        return still, not usual, -stream.width * stream.height, stream.index

    return rank


def _sound_rank(
    report: ProbeReport, picture: Stream | None
) -> Callable[[Stream], tuple[bool, bool, bool]]:
    """The order of sounds: players begin with the first.

    Those of the picture's program come first, then the default one; descriptions for the blind and
    comments come last.
    """
    programs = [{s.index for s in program.streams} for program in report.programs]
    together = next((p for p in programs if picture is not None and picture.index in p), None)

    def rank(stream: Stream) -> tuple[bool, bool, bool]:
        foreign = together is not None and stream.index not in together
        aside = any(stream.disposition.get(name) for name in _ASIDE)
        return foreign, aside, not stream.disposition.get("default")

    return rank


def _locks(report: ProbeReport) -> dict[int, str]:
    """The protections that ffprobe tells of: of Windows Media files, and of Matroska tracks."""
    tags = {name.lower() for name in report.format.tags}
    if any(name.startswith("asf_protection") for name in tags):
        return {s.index: "Windows Media DRM" for s in report.streams}
    # MP4 files have the same side data where only some of their tracks are encrypted.
    if "matroska" not in report.format.names:
        return {}
    return {
        s.index: "encryption"
        for s in report.streams
        if any(d.side_data_type.startswith("Encryption") for d in s.side_data_list)
    }


def _refusal(lost: Sequence[Stream], locks: Mapping[int, str]) -> MediaRejected:
    locked = [locks[s.index] for s in lost if s.index in locks]
    if locked:
        return rejected("media.encrypted", protection=locked[0])
    if lost:
        what = "picture" if lost[0].codec_type == "video" else "sound"
        alike = [s for s in lost if s.codec_type == lost[0].codec_type]
        names = " and ".join(dict.fromkeys(format_name(s) for s in alike))
        return rejected("media.unknown_codec", what=what, formats=names)
    return rejected("media.no_tracks")


def _left_out(stream: Stream, locks: Mapping[int, str]) -> SourceNote:
    kind = "sound" if stream.codec_type == "audio" else "picture"
    lock = locks.get(stream.index)
    why = f"it is protected ({lock})" if lock else "it cannot be decoded"
    return SourceNote(
        code=f"{kind}_left_out",
        text=f"A {kind} track ({_described(stream)}) was left out, because {why}.",
    )


def _empty(stream: Stream) -> SourceNote:
    kind = "sound" if stream.codec_type == "audio" else "picture"
    return SourceNote(
        code=f"{kind}_left_out",
        text=f"A {kind} track ({_described(stream)}) was left out, because it holds no {kind} that"
        " can be decoded.",
    )


def _unplaced(stream: Stream) -> SourceNote:
    return SourceNote(
        code="two_channels",
        text=f"A sound track ({_described(stream)}) has {stream.channels} channels and does not say"
        " where they belong. The first two are heard, left and right.",
    )


def _second_picture(stream: Stream) -> SourceNote:
    return SourceNote(
        code="picture_left_out",
        text=f"A picture track ({stream.width} × {stream.height}, {_described(stream)}) was left"
        " out, because a video shows one picture.",
    )


def _too_many(rest: Sequence[Stream]) -> list[SourceNote]:
    if not rest:
        return []
    named = ", ".join(_described(s) for s in rest[:4]) + (", …" if len(rest) > 4 else "")
    what = "A sound track" if len(rest) == 1 else f"{len(rest)} sound tracks"
    was = "was" if len(rest) == 1 else "were"
    text = f"{what} ({named}) {was} left out, because a video has at most {MAX_AUDIO_TRACKS}."
    return [SourceNote(code="sound_left_out", text=text)]


def _described(stream: Stream) -> str:
    """A track's format and language."""
    language = language_of(stream)
    name = format_name(stream)
    return f"{name}, language {language}" if language else name


def language_of(stream: Stream) -> str | None:
    """A language tag that is safe in a playlist; None for ``und`` (undetermined)."""
    language = stream.tags.get("language", "").strip()
    plain = 2 <= len(language) <= 35 and language.isascii() and language.replace("-", "").isalnum()
    return language if plain and language != "und" else None
