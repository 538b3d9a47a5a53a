"""Chooses the text tracks of a source that become captions, and says what is left out. Pure.

A video has captions once in a language. Subtitles that are pictures have no text to take over.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from services.transcoder.planning.ffprobe_answer import ProbeReport, Stream
from shared.captions.languages import UNKNOWN, language_of_code
from shared.contracts import CaptionKind, SourceNote, TextTrack
from shared.text_rules import RefusedText, clean_tag

MAX_TEXTS: Final = 30
"""Text tracks of one source."""

# What ffmpeg turns into WebVTT.
_TEXTS: Final = frozenset(("subrip", "ass", "ssa", "mov_text", "webvtt", "text"))
_NAMES: Final[Mapping[str, str]] = {
    "hdmv_pgs_subtitle": "PGS",
    "dvd_subtitle": "VobSub",
    "dvb_subtitle": "DVB",
    "xsub": "XSUB",
    "dvb_teletext": "teletext",
    "mov_text": "MP4 timed text",
    "subrip": "SubRip",
    "ass": "ASS",
    "ssa": "SSA",
    "webvtt": "WebVTT",
}
_PICTURES: Final = frozenset(("hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"))
_NAMED: Final = 4


def choose_texts(
    report: ProbeReport, protected: Mapping[int, str] | None = None
) -> tuple[tuple[TextTrack, ...], tuple[SourceNote, ...]]:
    """The tracks that are read, and notes on the others. ``protected`` as for ``choose_tracks``."""
    streams = [s for s in report.streams if s.codec_type == "subtitle"]
    left: dict[str, list[Stream]] = {}
    chosen: dict[str, TextTrack] = {}
    for stream in sorted(streams, key=_rank):
        language = _language(stream)
        if stream.index in (protected or {}):
            why = "protected"
        elif stream.codec_name in _PICTURES:
            why = "pictures"
        elif stream.codec_name not in _TEXTS:
            why = "unknown"
        elif language in chosen:
            why = "language"
        elif len(chosen) == MAX_TEXTS:
            why = "many"
        else:
            chosen[language] = TextTrack(
                stream=stream.index,
                codec=stream.codec_name,
                language=language,
                kind=_kind(stream),
                label=_label(stream, language),
            )
            continue
        left.setdefault(why, []).append(stream)
    tracks = tuple(sorted(chosen.values(), key=lambda track: track.stream))
    return tracks, tuple(_left_out(why, of) for why, of in left.items())


def unreadable_note(track: TextTrack, why: str) -> SourceNote:
    """What is said of a track of which nothing could be taken over."""
    name = _NAMES.get(track.codec, track.codec)
    text = f"A text track ({name}, language {track.language}) was left out, because {why}"
    return SourceNote(code="captions_left_out", text=text)


def _rank(stream: Stream) -> tuple[bool, bool, bool, int]:
    """Of two in one language, the whole text goes before that of foreign passages alone."""
    said = stream.disposition
    aside = bool(said.get("comment"))
    return bool(said.get("forced")), aside, not said.get("default"), stream.index


def _kind(stream: Stream) -> CaptionKind:
    return "captions" if stream.disposition.get("hearing_impaired") else "subtitles"


def _language(stream: Stream) -> str:
    return language_of_code(stream.tags.get("language", "")) or UNKNOWN


def _label(stream: Stream, language: str) -> str:
    """The track's own title, where it fits into a menu, else its language."""
    try:
        return clean_tag(stream.tags.get("title", ""))
    except RefusedText:
        return language


_WHY: Final[Mapping[str, str]] = {
    "protected": "protected",
    "pictures": "pictures, not text",
    "unknown": "in a format that cannot be read",
    "language": "a second one in the language",
    "many": f"more than the {MAX_TEXTS} that a video can have",
}


def _left_out(why: str, streams: Sequence[Stream]) -> SourceNote:
    named = ", ".join(_described(stream) for stream in streams[:_NAMED])
    more = ", …" if len(streams) > _NAMED else ""
    one = len(streams) == 1
    what = "A subtitle track" if one else f"{len(streams)} subtitle tracks"
    because = f"because {'it is' if one else 'they are'} {_WHY[why]}"
    return SourceNote(
        code="captions_left_out",
        text=f"{what} ({named}{more}) {'was' if one else 'were'} left out, {because}.",
    )


def _described(stream: Stream) -> str:
    name = _NAMES.get(stream.codec_name, "unknown format")
    language = _language(stream)
    return name if language == UNKNOWN else f"{name}, language {language}"
