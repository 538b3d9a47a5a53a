"""The containers and codecs that the grammar combines, and what each takes."""

from typing import Final, Literal

import msgspec


class Kind(msgspec.Struct, frozen=True):
    """A container: its extension, the codecs that it takes, and what may be done to it.

    ``turns``: it has display matrices. ``joins``: what ``cat`` makes of two: nothing that plays, a
    file if both are of one kind, or any. ``copies``: packets of two files may follow one another.
    ``starts``: time stamps may begin anywhere. ``gaps``: they may leave a gap. ``edits``: it has
    edit lists. ``several``: pictures that it takes. ``cover``, ``words``: the codec of its cover
    and its subtitles. ``weight``: how often it is chosen, beside others.
    """

    extension: str
    pictures: tuple[str, ...]
    sounds: tuple[str, ...]
    options: tuple[str, ...] = ()
    turns: bool = False
    joins: Literal["no", "same", "any"] = "no"
    copies: bool = False
    starts: bool = False
    gaps: bool = False
    edits: bool = False
    several: int = 1
    cover: str = ""
    words: str = ""
    weight: int = 2


_FRAGMENTED: Final = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof")
_FASTSTART: Final = ("-movflags", "+faststart")

_FILMS: Final[dict[str, Kind]] = {
    "mp4": Kind(
        "mp4",
        ("libx264", "libx264", "mpeg4", "libx265", "libvpx-vp9", "libsvtav1"),
        ("aac", "aac", "ac3", "eac3", "libmp3lame", "alac", "libopus", "flac"),
        turns=True,
        copies=True,
        gaps=True,
        edits=True,
        several=2,
        cover="mjpeg",
        words="mov_text",
        weight=6,
    ),
    "faststart": Kind("mp4", ("libx264",), ("aac",), _FASTSTART, turns=True, weight=3),
    "fragmented": Kind(
        "mp4", ("libx264", "libx265"), ("aac", "libopus"), _FRAGMENTED, starts=True, gaps=True
    ),
    "mov": Kind(
        "mov",
        ("libx264", "mjpeg", "prores_ks", "qtrle", "png", "rawvideo", "dnxhd"),
        ("pcm_s16le", "aac", "alac", "pcm_s24le", "pcm_f32le", "adpcm_ima_qt", "pcm_mulaw"),
        turns=True,
        copies=True,
        edits=True,
        words="mov_text",
        weight=4,
    ),
    "mkv": Kind(
        "mkv",
        (
            *("libx264", "libx265", "ffv1", "mpeg2video", "libvpx-vp9", "mjpeg", "mpeg4"),
            *("libtheora", "huffyuv", "prores_ks", "rawvideo"),
        ),
        (
            *("libopus", "flac", "pcm_s24le", "aac", "ac3", "eac3", "libvorbis", "dca"),
            *("truehd", "tta", "wavpack", "mp2"),
        ),
        joins="same",
        turns=True,
        copies=True,
        starts=True,
        gaps=True,
        several=2,
        cover="png",
        words="srt",
        weight=6,
    ),
    "webm": Kind(
        "webm",
        ("libvpx", "libvpx-vp9", "libsvtav1"),
        ("libopus", "libvorbis"),
        joins="same",
        starts=True,
        gaps=True,
        words="webvtt",
        weight=3,
    ),
    "ts": Kind(
        "ts",
        ("libx264", "mpeg2video", "libx265", "mpeg4"),
        ("aac", "mp2", "ac3", "eac3", "libopus"),
        joins="any",
        starts=True,
        several=2,
        weight=6,
    ),
    "m2ts": Kind(
        "m2ts",
        ("libx264", "mpeg2video"),
        ("ac3", "aac"),
        ("-mpegts_m2ts_mode", "1"),
        joins="any",
        starts=True,
    ),
    "mpeg": Kind("mpg", ("mpeg2video", "mpeg1video"), ("mp2",), joins="any", weight=3),
    "vob": Kind("vob", ("mpeg2video",), ("ac3", "mp2"), joins="any", starts=True, weight=1),
    "avi": Kind(
        "avi",
        (
            *("mpeg4", "libx264", "mjpeg", "msmpeg4v2", "huffyuv", "ffv1", "rawvideo"),
            *("msvideo1", "utvideo"),
        ),
        ("libmp3lame", "pcm_s16le", "ac3", "adpcm_ms", "pcm_u8"),
        joins="same",
        copies=True,
        weight=4,
    ),
    "flv": Kind(
        "flv", ("libx264", "flv1"), ("aac", "libmp3lame"), joins="same", gaps=True, weight=3
    ),
    "f4v": Kind("f4v", ("libx264",), ("aac",), weight=1),
    "ogg": Kind("ogv", ("libtheora",), ("libvorbis", "flac", "libopus"), joins="same"),
    "asf": Kind("wmv", ("wmv2", "wmv1", "msmpeg4"), ("wmav2", "wmav1")),
    "3gp": Kind("3gp", ("mpeg4", "libx264", "h263"), ("aac", "libopencore_amrnb"), turns=True),
    "mxf": Kind("mxf", ("mpeg2video", "dnxhd"), ("pcm_s16le", "pcm_s24le"), weight=1),
    "gif": Kind("gif", ("gif",), (), weight=1),
    "apng": Kind("apng", ("apng",), (), weight=1),
    "nut": Kind("nut", ("libx264", "mpeg4", "ffv1"), ("pcm_s16le", "libopus"), weight=1),
    "wtv": Kind("wtv", ("mpeg2video",), ("mp2",), weight=1),
    "rm": Kind("rm", ("rv10", "rv20"), ("ac3",), weight=1),
    "ivf": Kind("ivf", ("libvpx", "libvpx-vp9"), (), weight=1),
    "y4m": Kind("y4m", ("wrapped_avframe",), (), weight=1),
    "h264": Kind("h264", ("libx264",), (), joins="any", weight=1),
    "hevc": Kind("hevc", ("libx265",), (), weight=1),
    "m2v": Kind("m2v", ("mpeg2video",), (), joins="any", weight=1),
}
_SOUNDS: Final[dict[str, Kind]] = {
    "m4a": Kind("m4a", (), ("aac", "alac"), cover="mjpeg", edits=True),
    "mp3": Kind("mp3", (), ("libmp3lame",), joins="any", cover="mjpeg"),
    "flac": Kind("flac", (), ("flac",), joins="same", cover="png", weight=1),
    "wav": Kind("wav", (), ("pcm_s16le", "pcm_s24le", "pcm_f32le", "adpcm_ms", "pcm_u8")),
    "oga": Kind("ogg", (), ("libvorbis", "flac"), joins="same", weight=1),
    "opus": Kind("opus", (), ("libopus",), weight=1),
    "aac": Kind("aac", (), ("aac",), joins="any", weight=1),
    "ac3": Kind("ac3", (), ("ac3",), joins="same", weight=1),
    "aiff": Kind("aiff", (), ("pcm_s16be", "pcm_s24be"), weight=1),
    "caf": Kind("caf", (), ("alac", "pcm_s16be"), weight=1),
    "mka": Kind("mka", (), ("libopus", "flac", "aac"), cover="png", starts=True, weight=1),
    "wma": Kind("wma", (), ("wmav2",), weight=1),
    "amr": Kind("amr", (), ("libopencore_amrnb",), weight=1),
    "wavpack": Kind("wv", (), ("wavpack",), weight=1),
}
KINDS: Final = _FILMS | _SOUNDS

SIZES: Final = ("160x90", "96x160", "128x128", "200x112", "320x180", "176x144")
ODD_SIZES: Final = ("161x91", "99x77", "131x241", "66x34")
# Codecs that take few sizes.
FIXED_SIZES: Final[dict[str, tuple[str, ...]]] = {
    "h263": ("128x96", "176x144"),
    "dnxhd": ("256x144", "320x180"),
    "rv10": ("160x96", "176x144"),
    "rv20": ("160x96", "176x144"),
    "msvideo1": ("160x92", "128x128"),
    "libsvtav1": ("160x90", "128x128", "320x180"),
}
RATES: Final = (
    *("25", "25", "30000/1001", "24000/1001", "50", "15", "12", "60000/1001", "120", "10", "3"),
    "1000/33",
)
# Codecs and containers that know few rates.
FIXED_RATES: Final[dict[str, tuple[str, ...]]] = {
    "mpeg1video": ("25", "30000/1001", "24000/1001", "50", "60000/1001"),
    "mpeg2video": ("25", "30000/1001", "24000/1001", "50", "60000/1001"),
    "mxf": ("25", "30000/1001"),
    "gif": ("10", "25", "20"),
    "h263": ("30000/1001",),
    "rv10": ("25", "15"),
    "rv20": ("25", "15"),
}
PIXELS: Final[dict[str, tuple[str, ...]]] = {
    "libx264": ("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "gray", "yuv422p10le"),
    "libx265": ("yuv420p", "yuv420p10le", "yuv422p12le", "gbrp"),
    "libsvtav1": ("yuv420p", "yuv420p10le"),
    "libvpx-vp9": ("yuv420p", "yuv444p", "yuv420p10le"),
    "ffv1": ("yuv420p", "yuv422p10le", "rgb0", "bgra", "gray16le", "yuv444p16le"),
    "huffyuv": ("yuv422p", "rgb24", "bgra"),
    "utvideo": ("yuv420p", "gbrp"),
    "mjpeg": ("yuvj420p", "yuvj422p"),
    "prores_ks": ("yuv422p10le", "yuva444p10le"),
    "mpeg2video": ("yuv420p", "yuv422p"),
    "dnxhd": ("yuv422p",),
    "rawvideo": ("uyvy422", "bgr24"),
    "qtrle": ("rgb24", "argb", "rgb555be"),
    "png": ("rgb24", "rgba", "gray", "rgb48be"),
    "apng": ("rgb24", "rgba"),
    "gif": ("rgb8",),
    "msvideo1": ("rgb555le",),
    "wrapped_avframe": ("yuv420p", "yuv444p", "yuv420p10le"),
}
_FAST_VPX: Final = ("-deadline", "realtime", "-cpu-used", "8", "-b", "400k")
SPEED: Final[dict[str, tuple[str, ...]]] = {
    "libx264": ("-preset", "ultrafast"),
    "libx265": ("-preset", "ultrafast", "-x265-params", "log-level=error"),
    "libsvtav1": ("-preset", "12", "-svtav1-params", "lp=1"),
    "libvpx": _FAST_VPX,
    "libvpx-vp9": _FAST_VPX,
    "dnxhd": ("-profile", "dnxhr_sq"),
    "libtheora": ("-q", "7"),
    **dict.fromkeys(
        ("mpeg1video", "mpeg2video", "mpeg4", "wmv1", "wmv2", "msmpeg4", "msmpeg4v2", "flv1"),
        ("-q", "3"),
    ),
    **dict.fromkeys(("h263", "rv10", "rv20", "mjpeg"), ("-q", "3")),
}
TURNS: Final = (
    ("-display_rotation", "90"),
    ("-display_rotation", "180"),
    ("-display_rotation", "-90"),
    ("-display_rotation", "20"),
    ("-display_hflip",),
    ("-display_vflip",),
    ("-display_rotation", "90", "-display_hflip"),
)
# Others take only some rates and layouts.
FREE_SOUNDS: Final = frozenset(
    ("aac", "flac", "alac", "pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_s16be", "tta", "wavpack")
)
FIXED_SOUNDS: Final[dict[str, tuple[str, ...]]] = {
    "libopencore_amrnb": ("-ac", "1", "-ar", "8000", "-b", "12.2k"),
    "dca": ("-ac", "2", "-ar", "48000", "-strict", "-2"),
    "truehd": ("-ac", "2", "-ar", "48000", "-strict", "-2"),
    "adpcm_ms": ("-ac", "2", "-ar", "44100"),
    "adpcm_ima_qt": ("-ac", "2", "-ar", "44100"),
    "pcm_mulaw": ("-ac", "1", "-ar", "8000"),
    "pcm_u8": ("-ac", "1", "-ar", "11025"),
}
