"""Optional AV1 and HEVC renditions: the same ladder in a codec that needs fewer bits. Pure.

H.264 is always made, and first. Each encoder gets the same settings as x264: constant quality under
a cap, and key frames at segment starts only. Of HDR sources there may be sets that stay HDR.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from services.transcoder.planning.hdr import av1_parameters, hevc_parameters
from services.transcoder.planning.ladder import BUFFER_SECONDS, encoding
from shared.contracts import Rendition, VideoTrack

Codec = Literal["hevc", "av1"]

# Quality that looks like x264's at CRF 23.
_HEVC_CRF: Final = 26
_AV1_CRF: Final = 35
# Chosen on one clip of 720p, where preset 10 takes the CPU time of x264's veryfast. Bits at equal
# VMAF, of x264's: 82 % without these options, 75 % with quantisation matrices, 71 % with a pyramid
# of eight pictures instead of sixteen. Smaller quantiser steps between its layers save CPU time.
_AV1_TOOLS: Final = "enable-qm=1:qm-min=0:hierarchical-levels=3:qp-scale-compress-strength=2"
# The share of x264's cap that this quality needs.
_SHARE: Final = {"hevc": Fraction(7, 10), "av1": Fraction(13, 20)}


def extra_renditions(
    renditions: Sequence[Rendition], codecs: Sequence[Codec]
) -> tuple[Rendition, ...]:
    """The renditions of a ladder in other codecs; a name consists of the rung and the codec."""
    return tuple(
        msgspec.structs.replace(rendition, name=f"{rendition.name}-{codec}", video_codec=codec)
        for codec in dict.fromkeys(codecs)
        for rendition in renditions
    )


def extra_encoder_arguments(
    rendition: Rendition, video: VideoTrack, longest: int, keys: str, threads: int
) -> list[str]:
    """ffmpeg's arguments for a rendition from ``extra_renditions`` or ``hdr_renditions``.

    ``longest`` is the longest segment in frames, ``keys`` the expression that selects key frames.
    """
    plain = rendition.name.partition("-")[0]
    settings = encoding(msgspec.structs.replace(rendition, name=plain))
    cap = round(settings.max_rate * _SHARE[rendition.video_codec])
    rates = ["-maxrate", str(cap), "-bufsize", str(round(cap * BUFFER_SECONDS))]
    borders = ["-g", str(longest), "-force_key_frames", keys, "-flags:v", "+bitexact+cgop"]
    # One frame out for each frame in: the fps filter has already set the times.
    borders += ["-fps_mode", "passthrough"]
    # Frames may carry what Dolby Vision adds, which does not fit what the filters made of them.
    borders += ["-dolbyvision", "0"]
    if rendition.video_codec == "hevc":
        parameters = (
            f"keyint={longest}:min-keyint={longest}:scenecut=0:open-gop=0:"
            f"pools={threads}:frame-threads=1:log-level=error"
        )
        if rendition.video_range != "SDR":
            parameters += hevc_parameters(rendition, video)
        # Decoding can begin at a forced key frame only if it is IDR. Apple's players need hvc1.
        chosen = ["libx265", "-preset", "veryfast", "-crf", str(_HEVC_CRF), "-forced-idr", "1"]
        return ["-c:v", *chosen, "-x265-params", parameters, "-tag:v", "hvc1", *rates, *borders]
    chosen = ["libsvtav1", "-preset", "10", "-crf", str(_AV1_CRF)]
    parameters = f"lp={threads}:scd=0:{_AV1_TOOLS}"
    if rendition.video_range != "SDR":
        parameters += av1_parameters(video)
    return ["-c:v", *chosen, "-svtav1-params", parameters, *rates, *borders]
