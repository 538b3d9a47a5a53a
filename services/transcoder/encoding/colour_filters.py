"""ffmpeg's filters from a source's colours to those of every rendition. Pure.

The output is BT.709 in limited range with 8 bits, and says so. HDR is tone-mapped; sets that stay
HDR are BT.2100 with 10 bits and the source's own curve. Transparent parts are shown over black, as
players do without a page behind the picture.
"""

from typing import Final

from services.transcoder.planning.colours import has_alpha, is_deep, is_rgb, matrix_of
from shared.contracts import Colours, VideoTrack

# What the encoder writes into the stream.
_TAGS: Final = "setparams=range=limited:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
# Without it, skies have bands.
_DITHER: Final = ":dither=ordered"
# Matrices and primaries that the filters know; what has others is taken for BT.709.
_MATRICES: Final = {
    "bt470bg": "bt470bg",
    "smpte170m": "smpte170m",
    "fcc": "fcc",
    "smpte240m": "smpte240m",
    "ycgco": "ycgco",
    "bt2020nc": "bt2020ncl",
    "bt2020c": "bt2020ncl",
}
_PRIMARIES: Final = frozenset(
    ("bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "smpte431", "smpte432", "bt2020")
)
# What has another matrix is taken for BT.2020's usual one. The slow filter cannot read constant
# luminance (``bt2020c``) on a curve of HDR.
_HDR_MATRICES: Final = frozenset(("ictcp",))
_HDR_PRIMARIES: Final = frozenset(("smpte431", "smpte432", "bt709"))

_TONE_MAP_BEFORE: Final = (
    "zscale=transfer=linear:npl=100:primariesin=2020:matrixin=2020_ncl",
    "format=gbrpf32le",
    "zscale=primaries=709",
    "tonemap=hable:desat=0",
    "zscale=transfer=709:matrix=709:range=limited",
)


def in_output_colours(video: VideoTrack, size: str) -> list[str]:
    """The filters to the first rendition: ``size`` (a scale filter) and the output's colours."""
    colours = video.colours
    if colours is None:
        return _by_older_plan(video, size)
    matrix = _MATRICES.get(matrix_of(video), "bt709")
    steps = [_plain_tags(video, colours), *_over_black(video)]
    if video.hdr:
        steps += [size, *_tone_map(video, colours)]
    elif colours.primaries in _PRIMARIES:
        steps += [size, _from_primaries(video, colours.primaries, colours)]
    elif is_rgb(video):
        # The matrix must be chosen where red, green and blue end.
        steps += [f"{size}:out_color_matrix=bt709:out_range=tv"]
    elif matrix != "bt709":
        steps += [size, _from_matrix(video, matrix, colours)]
    else:
        steps += [f"{size}:out_range=tv"]
    return [*steps, "format=yuv420p", _TAGS]


def in_source_light(video: VideoTrack, size: str) -> list[str]:
    """The filters to the first HDR rendition: ``size``, and BT.2020 with the source's curve."""
    colours = video.colours or Colours()
    steps = [_plain_tags(video, colours), *_over_black(video)]
    unusual = colours.matrix in _HDR_MATRICES or colours.primaries in _HDR_PRIMARIES
    if unusual or is_rgb(video):
        into = f"matrix=2020_ncl:primaries=2020:transfer={colours.transfer}:range=limited"
        steps += [size, f"zscale={_hdr_source(video, colours)}:{into}"]
    else:
        steps += [f"{size}:out_range=tv"]
    tags = f"color_primaries=bt2020:color_trc={colours.transfer}:colorspace=bt2020nc"
    # What frames say of their light may be only at the film's beginning: the encoder gets it from
    # the plan instead, so that all chunks say the same.
    return [*steps, "format=yuv420p10le", f"setparams=range=limited:{tags}", "sidedata=mode=delete"]


def _plain_tags(video: VideoTrack, colours: Colours) -> str:
    """The filter that takes unusual names from pictures: the scaler refuses those it cannot read.

    The filters below name what they convert from.
    """
    if is_rgb(video):
        return "setparams=range=full:color_primaries=bt709:color_trc=bt709:colorspace=gbr"
    extent = "full" if colours.full_range else "limited"
    return f"setparams=range={extent}:color_primaries=bt709:color_trc=bt709:colorspace=bt709"


def _by_older_plan(video: VideoTrack, size: str) -> list[str]:
    """The filters of plans that do not know the colours: all tasks of a plan must do the same."""
    if not video.hdr:
        return [f"{size}:out_range=tv", "format=yuv420p"]
    return [size, *_TONE_MAP_BEFORE, "format=yuv420p"]


def _tone_map(video: VideoTrack, colours: Colours) -> list[str]:
    """The filters from HDR (PQ or HLG) to SDR (BT.709), through a table of colours.

    A run computes the table once, so it may be exact (``agamma=0``). The slow filter's quick way
    with HLG bends red, green and blue each by itself, where BT.2100 bends their luminance.
    """
    kept = f"primaries={_hdr_primaries(colours)}:transfer={colours.transfer}"
    read = f"zscale={_hdr_source(video, colours)}:matrix=gbr:range=full:{kept}"
    tags = f"color_primaries={_hdr_primaries(colours)}:color_trc={colours.transfer}"
    table = (
        "haldclutsrc=level=8:rate=1:duration=1",
        f"format=gbrp16,setparams=range=full:colorspace=gbr:{tags}",
        "zscale=transfer=linear:npl=100:agamma=0",
        "format=gbrpf32le",
        "zscale=primaries=709",
        # 1000 cd/m², whatever the film says: it may say so only at its beginning,
        # where most chunks do not read, and all must be equally bright.
        "tonemap=hable:desat=0:peak=10",
        "zscale=transfer=709:matrix=gbr:range=full,format=gbrpf32le",
        # Before all pictures, whose times may be negative: there it lasts for ever.
        "setpts=-100000/TB",
    )
    through = f"[light];{','.join(table)}[table];[light][table]haldclut=clut=first"
    shown = "matrixin=gbr:primariesin=709:transferin=709:rangein=full"
    return [
        f"{read},format=gbrpf32le{through}",
        f"zscale={shown}:matrix=709:primaries=709:transfer=709:range=limited{_DITHER}",
    ]


def _hdr_primaries(colours: Colours) -> str:
    return colours.primaries if colours.primaries in _HDR_PRIMARIES else "bt2020"


def _hdr_source(video: VideoTrack, colours: Colours) -> str:
    """What the slow filter reads of an HDR picture."""
    matrix = colours.matrix if colours.matrix in _HDR_MATRICES else "bt2020nc"
    matrix = "gbr" if is_rgb(video) else matrix
    extent = "full" if colours.full_range or is_rgb(video) else "limited"
    source = f"matrixin={matrix}:primariesin={_hdr_primaries(colours)}"
    return f"{source}:transferin={colours.transfer}:rangein={extent}:agamma=0"


def _from_primaries(video: VideoTrack, primaries: str, colours: Colours) -> str:
    """The slow filter to BT.709 for red, green and blue of other kinds, as screens show them."""
    stated = matrix_of(video)
    matrix = "gbr" if is_rgb(video) else stated if stated in _MATRICES else "bt709"
    extent = "full" if colours.full_range or is_rgb(video) else "limited"
    return (
        f"zscale=matrixin={matrix}:primariesin={primaries}:transferin=709:rangein={extent}:"
        f"matrix=709:primaries=709:transfer=709:range=limited{_DITHER}"
    )


def _from_matrix(video: VideoTrack, matrix: str, colours: Colours) -> str:
    """The fast filter to BT.709 where only the matrix is another."""
    # Deep pictures lose their lowest bits in the scaler, which dithers.
    depth = "yuv420p10" if is_deep(video) else "yuv420p"
    extent = "pc" if colours.full_range else "tv"
    source = f"ispace={matrix}:iprimaries=bt709:itrc=bt709:irange={extent}"
    return f"colorspace=all=bt709:range=tv:format={depth}:{source}"


def _over_black(video: VideoTrack) -> list[str]:
    # What is transparent in a GIF file is white when it is decoded, as on most pages.
    if not has_alpha(video) or video.codec == "gif":
        return []
    if (video.pixel_format or "").startswith("yuva"):
        return ["premultiply=inplace=1"]
    return ["format=gbrap|gbrap10|gbrap12|gbrap16", "premultiply=inplace=1"]
