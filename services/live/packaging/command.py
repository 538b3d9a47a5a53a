"""The command line of a session's ffmpeg. Pure.

- No ``nobuffer``: it loses the first group of pictures.
- ``+cmaf`` makes the time of a fragment the one at which its first picture is shown, with B frames
  too, and ``+frag_discont`` keeps the publisher's times: without it, sound and picture drift apart.
- Rungs have key pictures where the publisher's are, so that players can switch.
"""

from collections.abc import Sequence
from typing import Final

from services.live.packaging.layout import OWN_GOP, Layout, Rung

# A fragment ends with the frame that reaches this, in microseconds.
_FRAGMENT: Final = 313_000
_CLOCK: Final = 90_000

_OUTPUT: Final = (
    *("-f", "mp4", "-frag_duration", str(_FRAGMENT), "-flush_packets", "1"),
    *("-map_metadata", "-1", "-max_muxing_queue_size", "4096"),
)
_PICTURE: Final = (
    *("-movflags", "+cmaf+frag_keyframe+frag_discont"),
    *("-video_track_timescale", str(_CLOCK)),
)
_OWN_KEYS: Final = f"expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{OWN_GOP}))"


def arguments(ffmpeg: str, layout: Layout, pipes: Sequence[int]) -> list[str]:
    """The command for a layout whose tracks go to ``pipes``, in the order of ``layout.tracks``."""
    command = [
        *(ffmpeg, "-hide_banner", "-nostdin", "-v", "warning", "-filter_complex_threads", "1"),
        *("-probesize", "65536", "-analyzeduration", "500000", "-copyts"),
        *("-f", "live_flv", "-i", "pipe:0"),
    ]
    encoded = [rung for rung in layout.rungs if not rung.copied]
    if encoded:
        command += ("-filter_complex", _filters(encoded))
    for rung, pipe in zip(layout.rungs, pipes, strict=False):
        if rung.copied:
            command += ("-map", "0:v:0", "-c:v", "copy")
        else:
            command += ("-map", f"[{rung.name}]", *_encoder(layout, rung))
        command += (*_PICTURE, *_OUTPUT, f"pipe:{pipe}")
    if layout.sound is not None:
        command += ("-map", "0:a:0")
        if layout.sound.copied:
            command += ("-c:a", "copy")
        else:
            command += ("-c:a", "aac", "-ar", "48000", "-ac", "2", "-b:a", "128k")
        command += ("-movflags", "+cmaf+frag_discont", *_OUTPUT, f"pipe:{pipes[-1]}")
    return command


def _filters(encoded: Sequence[Rung]) -> str:
    """One decoder for all rungs."""
    parted = "".join(f"[in{rung.name}]" for rung in encoded)
    chains = [f"[0:v:0]split={len(encoded)}{parted}"]
    for rung in encoded:
        # Sizes are even: H.264 in 4:2:0 has no others.
        size = f"-2:{rung.height}" if rung.height else "trunc(iw/2)*2:trunc(ih/2)*2"
        scaled = f"scale={size}:flags=bilinear,setsar=1,format=yuv420p"
        chains.append(f"[in{rung.name}]{scaled}[{rung.name}]")
    return ";".join(chains)


def _encoder(layout: Layout, rung: Rung) -> list[str]:
    keys = "source" if layout.keys == "publisher" else _OWN_KEYS
    rate = str(rung.rate)
    return [
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-threads", "1"),
        *("-profile:v", "high", "-crf", "23", "-maxrate", rate, "-bufsize", rate),
        *("-force_key_frames", keys, "-g", "600", "-sc_threshold", "0", "-bf", "0"),
        *("-fps_mode", "passthrough", "-enc_time_base", f"1:{_CLOCK}"),
    ]
