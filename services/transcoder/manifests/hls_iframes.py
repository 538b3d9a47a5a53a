"""I-frame playlists (RFC 8216, 4.3.3.6): the first frame of each segment, for scrubbing. Pure.

An entry is a byte range at the beginning of its segment, so no frame is stored twice.
"""

from collections.abc import Sequence

import msgspec

from services.transcoder.manifests.hls import MediaSegment, measured, media_playlist
from shared.contracts import PublishedRendition


def iframes_name(name: str) -> str:
    """The name of a rendition's I-frame playlist."""
    return f"{name}-iframes"


def iframe_playlist(segments: Sequence[MediaSegment]) -> str | None:
    """The I-frame playlist; None where the size of a first frame is unknown."""
    pictures = _pictures(segments)
    if not pictures:
        return None
    return media_playlist(pictures, ended=True, iframes=True)


def iframe_stream_inf(
    rendition: PublishedRendition, segments: Sequence[MediaSegment], folder: str
) -> str | None:
    """The multivariant playlist's line for an I-frame playlist, with the rates of its frames.

    None where the size of a first frame is unknown.
    """
    pictures = _pictures(segments)
    if not pictures:
        return None
    rates = measured(pictures)
    attributes = [
        f"BANDWIDTH={rates.peak}",
        f"AVERAGE-BANDWIDTH={rates.average}",
        f'CODECS="{rendition.codecs.split(",")[0]}"',
        f"RESOLUTION={rendition.width}x{rendition.height}",
        *([f"VIDEO-RANGE={rendition.video_range}"] if rendition.video_range != "SDR" else []),
        f'URI="{folder}/{iframes_name(rendition.name)}.m3u8"',
    ]
    return f"#EXT-X-I-FRAME-STREAM-INF:{','.join(attributes)}"


def _pictures(segments: Sequence[MediaSegment]) -> list[MediaSegment]:
    if not all(segment.key_bytes for segment in segments):
        return []
    return [msgspec.structs.replace(segment, size=segment.key_bytes) for segment in segments]
