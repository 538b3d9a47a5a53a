"""HDR that stays HDR: which sets a source gets, and what they say of its light. Pure.

SDR renditions are always made, by tone mapping. Where the uploader or ``HDR_CODECS`` asks for it,
the ladder of an HDR source is encoded once more, with 10 bits and the source's own curve (ITU-R
BT.2100).
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.planning.colours import DOLBY_ALONE
from services.transcoder.planning.ffprobe_answer import SideData
from shared.contracts import (
    ContentLight,
    HdrWish,
    MasteringDisplay,
    Rendition,
    SourceFacts,
    SourceNote,
    VideoRange,
    VideoTrack,
)

# The curves of HDR by ffmpeg's names, and the ranges that players know them by.
_RANGES: Final[dict[str, VideoRange]] = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# Units of chromaticities and luminances in the bitstream (ITU-T H.265, D.3.28).
_CHROMATICITY: Final = 50_000
_LUMINANCE: Final = 10_000
# What the fields of the bitstream hold: the brightest light of PQ in cd/m², and 16 bits.
_BRIGHTEST: Final = 10_000 * _LUMINANCE
_MOST_LIGHT: Final = 65_535


def wanted_codecs(
    wish: HdrWish | None, usual: Sequence[str], on_request: str | None
) -> Sequence[str]:
    """The codecs of the HDR sets that an upload gets if its source is HDR.

    ``usual``: of uploads that say nothing. ``on_request``: of one that asks where that is none;
    None where the installation refuses.
    """
    if wish == "drop":
        return ()
    if wish == "keep" and not usual and on_request:
        return (on_request,)
    return usual


def hdr_renditions(
    facts: SourceFacts, renditions: Sequence[Rendition], codecs: Sequence[str]
) -> tuple[Rendition, ...]:
    """A ladder as HDR in each codec; none of a source that is not HDR, or has no colours of it."""
    kept = _range(facts.video)
    if kept is None:
        return ()
    return tuple(
        msgspec.structs.replace(
            rendition,
            name=f"{rendition.name}-{codec}-hdr",
            video_codec=codec,
            video_range=kept,
        )
        for codec in dict.fromkeys(codecs)
        for rendition in renditions
    )


def with_hdr_note(facts: SourceFacts, wish: HdrWish | None, *, kept: bool) -> SourceFacts:
    """The facts of a source, and what its video lacks of HDR; ``kept``: HDR sets are made of it."""
    note = _lacking(facts.video, wish, kept=kept)
    return msgspec.structs.replace(facts, notes=(*facts.notes, note)) if note else facts


def _lacking(video: VideoTrack | None, wish: HdrWish | None, *, kept: bool) -> SourceNote | None:
    stays = _range(video)
    if video is None or stays is None:
        return None
    if kept and video.dolby_vision is not None:
        base = "HLG" if stays == "HLG" else "HDR10"
        return SourceNote(
            code="dolby_vision_left_out",
            text="Dolby Vision is left out: HDR screens show the layer beneath it, "
            f"which is {base}.",
        )
    if wish == "keep" and not kept:
        return SourceNote(
            code="hdr_left_out",
            text="The high dynamic range is left out: this site does not keep it. "
            "All screens show the film in SDR.",
        )
    return None


def mastering_display(said: Iterable[SideData]) -> MasteringDisplay | None:
    """The mastering display of the first side data that describe a possible one completely."""
    return next(filter(None, map(_display, said)), None)


def content_light(said: Iterable[SideData]) -> ContentLight | None:
    """The light of the first side data that state any."""
    for each in said:
        brightest, average = each.max_content or 0, each.max_average or 0
        if 0 < brightest <= _MOST_LIGHT and 0 <= average <= _MOST_LIGHT:
            return ContentLight(brightest=brightest, average=average)
    return None


def dolby_vision(said: Iterable[SideData]) -> str | None:
    """The profile of Dolby Vision and what its base layer is compatible with, such as ``8.4``."""
    for each in said:
        if each.dv_profile is not None:
            return f"{each.dv_profile}.{each.dv_bl_signal_compatibility_id or 0}"
    return None


def hevc_parameters(rendition: Rendition, video: VideoTrack) -> str:
    """x265's parameters for HDR, after others."""
    # The codes of PQ are spread over much more light: bright and coloured parts get more bits.
    text = ":hdr10-opt=1" if rendition.video_range == "PQ" else ""
    if video.mastering is not None:
        text += f":master-display={_screen(video.mastering, 1, 1)}"
    return text + _light("max-cll", video)


def av1_parameters(video: VideoTrack) -> str:
    """SVT-AV1's parameters for HDR, after others."""
    text = ""
    if video.mastering is not None:
        text += f":mastering-display={_screen(video.mastering, _CHROMATICITY, _LUMINANCE)}"
    return text + _light("content-light", video)


def _light(name: str, video: VideoTrack) -> str:
    light = video.light
    return "" if light is None else f":{name}={light.brightest},{light.average}"


def _screen(display: MasteringDisplay, chromaticity: int, luminance: int) -> str:
    """A mastering display as encoders read it, in units of that many parts."""

    def number(value: int, parts: int) -> str:
        return str(value) if parts == 1 else f"{value / parts:.5f}"

    points = (
        ("G", display.green, chromaticity),
        ("B", display.blue, chromaticity),
        ("R", display.red, chromaticity),
        ("WP", display.white, chromaticity),
        ("L", (display.brightest, display.darkest), luminance),
    )
    return "".join(
        f"{name}({number(one, parts)},{number(two, parts)})" for name, (one, two), parts in points
    )


def _range(video: VideoTrack | None) -> VideoRange | None:
    """The range of a source that can stay HDR."""
    if video is None or video.colours is None:
        return None
    # Without a compatible base layer, its colours are not what the stream says they are.
    alone = video.dolby_vision is not None and video.dolby_vision.endswith(".0")
    return (
        None
        if alone or video.colours.matrix == DOLBY_ALONE
        else _RANGES.get(video.colours.transfer or "")
    )


def _display(said: SideData) -> MasteringDisplay | None:
    red, green = _point(said.red_x, said.red_y), _point(said.green_x, said.green_y)
    blue, white = _point(said.blue_x, said.blue_y), _point(said.white_point_x, said.white_point_y)
    darkest = _parts(said.min_luminance, _LUMINANCE, _BRIGHTEST)
    brightest = _parts(said.max_luminance, _LUMINANCE, _BRIGHTEST)
    if red is None or green is None or blue is None or white is None:
        return None
    if darkest is None or brightest is None or darkest >= brightest:
        return None
    return MasteringDisplay(
        red=red, green=green, blue=blue, white=white, darkest=darkest, brightest=brightest
    )


def _point(across: str | None, down: str | None) -> tuple[int, int] | None:
    x = _parts(across, _CHROMATICITY, _CHROMATICITY)
    y = _parts(down, _CHROMATICITY, _CHROMATICITY)
    return None if x is None or y is None else (x, y)


def _parts(text: str | None, parts: int, most: int) -> int | None:
    """A fraction in so many parts; None where it is not stated, or not from 0 to ``most``."""
    try:
        value = round(Fraction(text or "") * parts)
    except (ValueError, ZeroDivisionError):
        return None
    return value if 0 <= value <= most else None
