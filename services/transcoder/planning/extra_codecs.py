"""Extra rendition sets: the same ladder once more, in a codec that needs fewer bits.

For who can play it; H.264 stays for everybody, is made first and is what makes a video playable.
How each encoder is told what x264 is told: constant quality under a cap, key frames where segments
begin and nowhere else.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from services.transcoder.planning.ladder import BUFFER_SECONDS, encoding
from shared.contracts import Rendition

Codec = Literal["hevc", "av1"]

# Quality that looks like x264's at CRF 23, and the part of its cap that this takes.
_HEVC_CRF: Final = 26
_AV1_CRF: Final = 35
# Chosen on one clip of 720p, where preset 10 takes the CPU time of x264's veryfast, by bits at
# equal VMAF (82 % of x264's without all this): quantisation matrices 75 %, eight instead of sixteen
# pictures in the pyramid 71 %; quantisers that differ less between its layers win back CPU time.
_AV1_TOOLS: Final = "enable-qm=1:qm-min=0:hierarchical-levels=3:qp-scale-compress-strength=2"
_SHARE: Final = {"hevc": Fraction(7, 10), "av1": Fraction(13, 20)}


def extra_renditions(
    renditions: Sequence[Rendition], codecs: Sequence[Codec]
) -> tuple[Rendition, ...]:
    """The renditions of a ladder in other codecs, named after both."""
    return tuple(
        msgspec.structs.replace(rendition, name=f"{rendition.name}-{codec}", video_codec=codec)
        for codec in dict.fromkeys(codecs)
        for rendition in renditions
    )


def extra_encoder_arguments(
    rendition: Rendition, longest: int, keys: str, threads: int
) -> list[str]:
    """ffmpeg's arguments for a rendition that ``extra_renditions`` made.

    ``longest`` is the longest segment in frames, ``keys`` the expression that finds key frames.
    """
    plain = rendition.name.removesuffix(f"-{rendition.video_codec}")
    settings = encoding(msgspec.structs.replace(rendition, name=plain))
    cap = round(settings.max_rate * _SHARE[rendition.video_codec])
    rates = ["-maxrate", str(cap), "-bufsize", str(round(cap * BUFFER_SECONDS))]
    borders = ["-g", str(longest), "-force_key_frames", keys, "-flags:v", "+bitexact+cgop"]
    # One frame in, one frame out: the fps filter has already done the timing.
    borders += ["-fps_mode", "passthrough"]
    if rendition.video_codec == "hevc":
        parameters = (
            f"keyint={longest}:min-keyint={longest}:scenecut=0:open-gop=0:"
            f"pools={threads}:frame-threads=1:log-level=error"
        )
        # Forced key frames must be IDR, or nobody can begin there; Apple's players want hvc1.
        chosen = ["libx265", "-preset", "veryfast", "-crf", str(_HEVC_CRF), "-forced-idr", "1"]
        return ["-c:v", *chosen, "-x265-params", parameters, "-tag:v", "hvc1", *rates, *borders]
    chosen = ["libsvtav1", "-preset", "10", "-crf", str(_AV1_CRF)]
    parameters = f"lp={threads}:scd=0:{_AV1_TOOLS}"
    return ["-c:v", *chosen, "-svtav1-params", parameters, *rates, *borders]
