"""Playlists and manifests that name captions, put together when they are asked for.

The objects of a video do not change when somebody adds captions: what an encode has published
stays, and the line for each language is added on the way to the player. Pure.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from shared.contracts import CaptionTrack

MASTER: Final = "master.m3u8"
MANIFEST: Final = "manifest.mpd"
_FOLDER: Final = "captions/"
_GROUP: Final = "subs"
# What is heard is said, also besides speech (RFC 8216, section 4.3.4.1).
_FOR_THE_DEAF: Final = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)


class Captions(msgspec.Struct, frozen=True):
    """The captions of a video, and its length."""

    tracks: Sequence[CaptionTrack]
    duration_ms: int

    @property
    def seconds(self) -> float:
        return self.duration_ms / 1000


def may_name_captions(name: str) -> bool:
    """Whether a file of a video, by its name, may be another one where there are captions."""
    return name in (MASTER, MANIFEST) or _language_of(name) is not None


def media_playlist(name: str, captions: Captions) -> str | None:
    """The playlist of one language: the whole file is its only segment. None for no such file."""
    language = _language_of(name)
    track = next((each for each in captions.tracks if each.language == language), None)
    if track is None:
        return None
    return "\n".join(
        (
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            f"#EXT-X-TARGETDURATION:{max(1, math.ceil(captions.seconds))}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            f"#EXTINF:{captions.seconds:.3f},",
            track.object.key.rpartition("/")[2],
            "#EXT-X-ENDLIST",
            "",
        )
    )


def captioned(name: str, document: str, captions: Captions) -> str:
    """The multivariant playlist or the DASH manifest with all captions."""
    if name == MASTER:
        return _multivariant(document, captions.tracks)
    return _manifest(document, captions)


def _language_of(name: str) -> str | None:
    """The language of a captions' playlist; None for any other file."""
    if not name.startswith(_FOLDER) or not name.endswith(".m3u8"):
        return None
    return name.removeprefix(_FOLDER).removesuffix(".m3u8")


def _multivariant(playlist: str, tracks: Sequence[CaptionTrack]) -> str:
    lines: list[str] = []
    media = [_media(track, name) for track, name in zip(tracks, _names(tracks), strict=True)]
    for line in playlist.split("\n"):
        if not line.startswith("#EXT-X-STREAM-INF:"):
            lines.append(line)
            continue
        lines += media
        media = []
        lines.append(f'{line},SUBTITLES="{_GROUP}"')
    return "\n".join(lines)


def _media(track: CaptionTrack, name: str) -> str:
    attributes = [
        "TYPE=SUBTITLES",
        f'GROUP-ID="{_GROUP}"',
        f'NAME="{name}"',
        f'LANGUAGE="{track.language}"',
        "DEFAULT=NO",
        "AUTOSELECT=YES",
        "FORCED=NO",
    ]
    if track.kind == "captions":
        attributes.append(f'CHARACTERISTICS="{_FOR_THE_DEAF}"')
    attributes.append(f'URI="{_FOLDER}{track.language}.m3u8"')
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _names(tracks: Sequence[CaptionTrack]) -> list[str]:
    """A name for each, of which no two are the same, and without what ends a quoted string."""
    names: list[str] = []
    for track in tracks:
        name = track.label.replace('"', "'")
        names.append(f"{name} ({track.language})" if name in names else name)
    return names


def _manifest(manifest: str, captions: Captions) -> str:
    before, end, after = manifest.rpartition("</Period>")
    sets = "".join(_adaptation_set(track, captions) for track in captions.tracks)
    return f"{before}{sets}{end}{after}" if end else manifest


def _adaptation_set(track: CaptionTrack, captions: Captions) -> str:
    """A file beside the segments (ISO/IEC 23009-1, 5.3.12): text has one address and no parts."""
    rate = max(1, round(8 * track.object.size / max(captions.seconds, 1.0)))
    role = "caption" if track.kind == "captions" else "subtitle"
    file = track.object.key.partition("/")[2]
    return (
        f'<AdaptationSet contentType="text" mimeType="text/vtt" lang="{track.language}">'
        f'<Role schemeIdUri="urn:mpeg:dash:role:2011" value="{role}" />'
        f"<Label>{escape(track.label)}</Label>"
        f'<Representation id="captions-{track.language}" bandwidth="{rate}">'
        f"<BaseURL>{file}</BaseURL></Representation></AdaptationSet>"
    )
