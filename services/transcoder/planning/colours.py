"""What a source's colours are, and whether they are the output's: BT.709, limited range. Pure.

The usual rule holds where a file does not say it: BT.601 for small pictures, BT.709 for others.
"""

import re
from typing import Final

from services.transcoder.planning.ffprobe_answer import Frame, Stream
from shared.contracts import Colours, SourceNote, VideoTrack

HDR_TRANSFERS: Final = frozenset(("smpte2084", "arib-std-b67"))
# The matrix of pictures that only Dolby Vision shows rightly.
DOLBY_ALONE: Final = "ipt-c2"
_UNSTATED: Final = frozenset(("unknown", "unspecified", "reserved", ""))
# Pictures up to this size are BT.601 where they do not say anything else.
_SMALL_WIDTH: Final = 1279
_SMALL_HEIGHT: Final = 576
_MATRICES_601: Final = frozenset(("smpte170m", "bt470bg"))
# The curves of SDR are the same for people's eyes, and players treat them alike.
_CURVES_709: Final = frozenset((None, "bt709", "smpte170m"))
_RGB: Final = re.compile(r"^(?:gbr|rgb|bgr|0rgb|0bgr|rgb0|bgr0|argb|abgr|x2rgb|x2bgr|pal8)")
_ALPHA: Final = re.compile(r"^(?:yuva|gbrap|rgba|bgra|argb|abgr|ya8|ya16|vuya|ayuv|pal8)")
_DEEP: Final = re.compile(r"(?:9|1[0246])(?:le|be)$|^p[0-4]1[026]|48(?:le|be)$|64(?:le|be)$")


def colours_of(stream: Stream, frame: Frame) -> Colours:
    """The colours that a stream states; its decoded pictures know them better."""
    extent = _stated(frame.color_range) or _stated(stream.color_range)
    pixels = stream.pix_fmt or ""
    return Colours(
        matrix=_stated(frame.color_space) or _stated(stream.color_space),
        primaries=_stated(frame.color_primaries) or _stated(stream.color_primaries),
        transfer=_stated(frame.color_transfer) or _stated(stream.color_transfer),
        full_range=extent == "pc" or pixels.startswith("yuvj"),
    )


def colour_notes(stream: Stream) -> tuple[SourceNote, ...]:
    """What the uploader should know of colours that cannot be shown as they are meant."""
    # Pictures that no other decoder can use: they depend on what Dolby's makes of them.
    alone = [each for each in stream.side_data_list if each.dv_bl_signal_compatibility_id == 0]
    profiles = [each.dv_profile for each in alone if each.dv_profile is not None]
    if not profiles and stream.color_space == DOLBY_ALONE:
        # A container may not say so, but the picture does.
        profiles = [5]
    return tuple(
        SourceNote(
            code="colours_unknown",
            text=f"The picture is in Dolby Vision, profile {profile}, which we cannot decode "
            "completely: its colours are wrong. Export the film as HDR10, HLG or SDR, and upload "
            "that.",
        )
        for profile in profiles[:1]
    )


def is_rgb(video: VideoTrack) -> bool:
    """Whether pixels are stored as red, green and blue."""
    return _RGB.match(video.pixel_format or "") is not None


def has_alpha(video: VideoTrack) -> bool:
    """Whether parts of the picture may be transparent."""
    return _ALPHA.match(video.pixel_format or "") is not None


def is_deep(video: VideoTrack) -> bool:
    """Whether the picture has more than 8 bits per component."""
    return _DEEP.search(video.pixel_format or "") is not None


def matrix_of(video: VideoTrack) -> str:
    """The matrix between the stored picture and red, green and blue."""
    if video.colours is not None and video.colours.matrix is not None:
        return video.colours.matrix
    return "smpte170m" if _is_small(video) else "bt709"


def players_agree(video: VideoTrack) -> bool:
    """Whether players show the source's colours as they show those of the other renditions."""
    colours = video.colours or Colours()
    small = _MATRICES_601 if _is_small(video) else frozenset[str]()
    return (
        not colours.full_range
        and colours.matrix in {None, "bt709", *small}
        and colours.primaries in {None, "bt709", *small}
        and colours.transfer in {*_CURVES_709, *small}
    )


def _is_small(video: VideoTrack) -> bool:
    # As it is stored: turned pictures are wide there.
    width, height = max(video.width, video.height), min(video.width, video.height)
    return width <= _SMALL_WIDTH and height <= _SMALL_HEIGHT


def _stated(name: str | None) -> str | None:
    return None if name is None or name in _UNSTATED else name
