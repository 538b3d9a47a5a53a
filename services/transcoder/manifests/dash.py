"""Writes the MPEG-DASH manifest (ISO/IEC 23009-1) of the objects that HLS also uses. Pure.

It is static, for complete videos, and lists byte ranges per track.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from services.transcoder.domain.state import Transcode, audio_name
from services.transcoder.manifests.hls import audio_segments, measured, relative, rendition_segments
from shared.contracts import (
    AudioTrack,
    EncodedTrack,
    PublishedRendition,
    TranscodePlanned,
    VideoRange,
)

MANIFEST: Final = "manifest.mpd"
CONTENT_TYPE: Final = "application/dash+xml"

_NAMESPACE: Final = "urn:mpeg:dash:schema:mpd:2011"
# The colours of a set that is HDR, by ISO/IEC 23091-2.
_BT2020: Final = (("ColourPrimaries", "9"), ("MatrixCoefficients", "9"))
_COLOURS: Final[Mapping[VideoRange, Sequence[tuple[str, str]]]] = {
    "SDR": (),
    "PQ": (*_BT2020, ("TransferCharacteristics", "16")),
    "HLG": (*_BT2020, ("TransferCharacteristics", "18")),
}


def manifest(
    state: Transcode,
    planned: TranscodePlanned,
    renditions: Sequence[PublishedRendition],
    audio: Sequence[AudioTrack],
) -> bytes:
    """The manifest of a complete video; its URIs are relative to the video's folder."""
    root = Xml.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": "urn:mpeg:dash:profile:isoff-main:2011",
            "type": "static",
            "mediaPresentationDuration": f"PT{planned.source.duration_ms / 1000:.3f}S",
            "minBufferTime": f"PT{planned.segment_ms / 1000:.3f}S",
        },
    )
    period = Xml.SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    if planned.renditions:
        # One adaptation set per codec and range, because players switch within a set only.
        kinds = dict.fromkeys(_kind(rendition) for rendition in renditions)
        for kind in kinds:
            alike = [rendition for rendition in renditions if _kind(rendition) == kind]
            _add_video(period, state, planned, alike)
    for track in audio:
        _add_audio(period, state, planned, track)
    Xml.indent(root)
    return Xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _kind(rendition: PublishedRendition) -> tuple[str, str]:
    return rendition.codecs.partition(".")[0], rendition.video_range


def _add_video(
    period: Xml.Element,
    state: Transcode,
    planned: TranscodePlanned,
    renditions: Sequence[PublishedRendition],
) -> None:
    group = Xml.SubElement(
        period,
        "AdaptationSet",
        {
            "contentType": "video",
            "mimeType": "video/mp4",
            "segmentAlignment": "true",
            "startWithSAP": "1",
        },
    )
    for scheme, value in _COLOURS[renditions[0].video_range]:
        # Essential: players that do not know HDR must leave the set out (DASH, 5.8.4.8).
        attributes = {"schemeIdUri": f"urn:mpeg:mpegB:cicp:{scheme}", "value": value}
        Xml.SubElement(group, "EssentialProperty", attributes)
    for rendition in renditions:
        rates = measured(rendition_segments(state, rendition.name, early=False))
        shown = Xml.SubElement(
            group,
            "Representation",
            {
                "id": rendition.name,
                "bandwidth": str(rates.peak),
                "codecs": rendition.codecs.split(",")[0],
                "width": str(rendition.width),
                "height": str(rendition.height),
                "frameRate": rendition.frame_rate,
                "sar": "1:1",
            },
        )
        chunks = state.video[rendition.name]
        _add_segments(shown, planned, [chunks[chunk.index] for chunk in planned.chunks])


def _add_audio(
    period: Xml.Element, state: Transcode, planned: TranscodePlanned, track: AudioTrack
) -> None:
    sound = state.audio[audio_name(track.index)]
    attributes = {"contentType": "audio", "mimeType": "audio/mp4", "startWithSAP": "1"}
    if track.language:
        attributes["lang"] = track.language
    group = Xml.SubElement(period, "AdaptationSet", attributes)
    if track.index == 0:
        Xml.SubElement(group, "Role", {"schemeIdUri": "urn:mpeg:dash:role:2011", "value": "main"})
    shown = Xml.SubElement(
        group,
        "Representation",
        {
            "id": audio_name(track.index),
            "bandwidth": str(measured(audio_segments(planned, sound)).peak),
            "codecs": sound.parts[0].codecs,
            "audioSamplingRate": str(sound.parts[0].timescale),
        },
    )
    _add_segments(shown, planned, sound.parts)


def _add_segments(
    shown: Xml.Element, planned: TranscodePlanned, tracks: Sequence[EncodedTrack]
) -> None:
    """Add all segments of one track, in the order of time, with one timeline."""
    first = tracks[0]
    video = planned.prefix.rpartition("/")[0]
    listed = Xml.SubElement(shown, "SegmentList", {"timescale": str(first.timescale)})
    Xml.SubElement(
        listed,
        "Initialization",
        {
            "sourceURL": relative(first.init_key, video),
            "range": f"0-{first.init_size - 1}",
        },
    )
    timeline = Xml.SubElement(listed, "SegmentTimeline")
    for track in tracks:
        for segment in track.segments:
            entry = {"t": str(segment.start), "d": str(segment.duration)}
            Xml.SubElement(timeline, "S", entry)
    for track in tracks:
        for segment in track.segments:
            Xml.SubElement(
                listed,
                "SegmentURL",
                {
                    "media": relative(track.key or "", video),
                    "mediaRange": f"{segment.offset}-{segment.offset + segment.size - 1}",
                },
            )
