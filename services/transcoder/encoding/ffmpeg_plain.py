"""The arguments of the runs that decode a source as a whole, in order. Pure.

ffmpeg itself closes the gaps where time stamps jump, and sets up its filters again where the
picture's size or the kind of sound changes. Its own times are kept: without ``-copyts``, and with
a variable frame rate.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding.colour_filters import in_output_colours
from services.transcoder.encoding.ffmpeg import (
    AUDIO_RATE,
    Input,
    picture_of,
    placed,
    quiet,
    sound_of,
)
from services.transcoder.encoding.picture_filters import deinterlace, input_options, turn
from services.transcoder.planning.ending import GUESSED
from services.transcoder.planning.joins import Join
from services.transcoder.planning.plain import CopyBudget, Frame
from services.transcoder.planning.probe_report import MAX_DURATION_S, MAX_PIXELS
from shared.contracts import AudioTrack, SourceFacts, VideoTrack

# No loss is visible, and the encoder takes less time than the decoder.
_CRF: Final = 12
_KEY_SECONDS: Final = 2
_CLOCK: Final = 90_000
# Samples of a packet of sound. Of a track that begins late, ffmpeg leaves as much out of the last
# packet, if it is as long: of TTA and WavPack up to a second.
_SOUND_FRAME: Final = 1024


def picture_sizes(source: Input, video: VideoTrack) -> list[str]:
    """ffprobe: a line per key frame, at which sizes change: width, height, shape of pixels."""
    return [
        "-v",
        "error",
        *source.options(),
        "-skip_frame",
        "nokey",
        "-select_streams",
        picture_of(video),
        "-show_entries",
        "frame=width,height,sample_aspect_ratio",
        "-of",
        "csv=p=0",
        "-i",
        source.location,
    ]


class WholeRun(msgspec.Struct, frozen=True):
    """One run that decodes the used tracks of a source. ``frame``: None without a picture.

    ``shapes``: the filters that tell the shape of pixels, where parts differ in it. ``joins``:
    where further recordings begin, if ffmpeg does not expect that in the container. ``until``: the
    byte from which on nothing is read.
    """

    source: Input
    facts: SourceFacts
    frame: Frame | None
    budget: CopyBudget
    threads: int
    joins: tuple[Join, ...] = ()
    shapes: tuple[str, ...] = ()
    until: int | None = None


def decode_whole(run: WholeRun, target: Path) -> list[str]:
    """ffmpeg: decode the used tracks of a source into an MP4 file of one frame size."""
    arguments = [*quiet(), "-threads", str(run.threads), "-max_pixels", str(MAX_PIXELS)]
    # Where most frames are damaged, what can be seen of the others is shown.
    arguments += ["-max_error_rate", "1", *_times(run), *run.source.options()]
    video = run.facts.video
    arguments += [*(input_options(video) if video else []), "-i", run.source.location]
    if video is not None and run.frame is not None:
        arguments += _picture(video, run.frame, run)
    for place, track in enumerate(run.facts.audio):
        arguments += _sound(place, track, counted=run.facts.container == "flac")
    # One second more than is accepted, so that a source that is too long is seen to be.
    arguments += ["-t", str(MAX_DURATION_S + 1), "-map_metadata:g", "-1", "-map_chapters", "-1"]
    return [*arguments, "-f", "mp4", str(target)]


def _times(run: WholeRun) -> list[str]:
    """Which of the times that ffmpeg reads or makes up are not used."""
    # Times of a stream without a container are counted at its first sample rate. Without them, the
    # decoder counts samples, each at its own rate.
    if run.facts.container in GUESSED:
        return ["-fflags", "+nofillin"]
    if run.until is not None:
        return ["-bsf", f"noise=drop='gte(pos,{run.until})'"]
    return _one_clock(run.joins)


def _one_clock(joins: Sequence[Join]) -> list[str]:
    """Let times go on where those of a further recording begin again.

    Of packets, because what decoders and filters know of a time ends where a picture's size changes
    or the kind of sound.
    """
    if not joins:
        return []
    before, steps = 0.0, list[str]()
    for join in joins:
        steps.append(f"gte(POS,{join.place})*{join.later - before:.6f}/TB")
        before = join.later
    later = "+".join(steps)
    # When packets are decoded is counted on over the join, and decoders would believe it. Not in
    # GXF, which states nothing else.
    return ["-bsf", f"setts=pts='PTS+{later}':dts='if(eq(PTS,NOPTS),DTS+{later},NOPTS)'"]


def _fitting(frame: Frame) -> str:
    """The size of a picture within the frame, as expressions.

    A side that would be a pixel short fills the frame: odd sizes are not even ones with an edge.
    """
    wide, high = f"{frame.height}*dar", f"{frame.width}/dar"
    sides = ((wide, frame.width), (high, frame.height))
    return ":".join(f"'if(gt({s},{most}-2),{most},max(2,trunc({s}/2)*2))'" for s, most in sides)


def _picture(video: VideoTrack, frame: Frame, run: WholeRun) -> list[str]:
    size = f"{frame.width}:{frame.height}"
    fit = f"scale={_fitting(frame)}:flags=bicubic:reset_sar=1"
    # HDR keeps its colours for the renditions to be made of; all else gets theirs here.
    shown = [fit, "format=yuv420p10le"] if video.hdr else in_output_colours(video, fit)
    steps = [
        *run.shapes,
        *deinterlace(video),
        *turn(video),
        *shown,
        f"pad={size}:-1:-1",
        "setsar=1",
    ]
    return [
        "-map",
        f"0:{picture_of(video)}",
        "-filter:v",
        ",".join(steps),
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-threads:v",
        str(run.threads),
        "-crf",
        str(_CRF),
        "-maxrate",
        str(run.budget.rate),
        "-bufsize",
        str(run.budget.rate),
        # By the clock, a picture that is shown for long would get hardly any bits below a maximum.
        "-x264-params",
        f"force-cfr=1:fps={video.frame_rate}",
        "-bf",
        "0",
        "-g",
        "600",
        "-force_key_frames",
        f"expr:gte(t,n_forced*{_KEY_SECONDS})",
        "-fps_mode:v",
        "vfr",
        "-enc_time_base:v",
        f"1:{_CLOCK}",
        "-video_track_timescale",
        str(_CLOCK),
    ]


def _sound(place: int, track: AudioTrack, *, counted: bool) -> list[str]:
    layout = "mono" if track.channels == 1 else "stereo"
    # Mixed in floating point, as in other attempts: integers would be scaled to make room.
    steps = [
        *placed(track),
        # FLAC numbers its samples, and a further recording begins with the first number again.
        *(["asetpts=N/SR/TB"] if counted else []),
        f"aresample={AUDIO_RATE},aformat=sample_fmts=fltp:channel_layouts={layout}",
        "aformat=sample_fmts=s16",
    ]
    return [
        "-map",
        f"0:{sound_of(track)}",
        f"-filter:a:{place}",
        ",".join(steps),
        f"-c:a:{place}",
        "flac",
        f"-frame_size:a:{place}",
        str(_SOUND_FRAME),
    ]
