"""The arguments of the ffmpeg and ffprobe runs on video and sound. Pure.

ffmpeg may open one local URL or one file in its scratch folder, and only containers from an
allow-list. The list refuses a playlist renamed to .mp4, which would make ffmpeg fetch other files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from services.transcoder.planning.ending import is_cut
from services.transcoder.planning.hidden import Hidden
from services.transcoder.planning.probe_report import MAX_PIXELS, MAX_STREAMS
from shared.containers import demuxers
from shared.contracts import AudioTrack, SourceFacts, VideoTrack

# ffmpeg detects the format by content, among all that it knows; then this list applies.
FORMATS: Final = ",".join(demuxers())

AUDIO_RATE: Final = 48_000
AUDIO_BIT_RATE: Final = 128_000
# Samples that the AAC encoder puts before the first one: one frame.
AAC_FRAME: Final = 1024

# ffmpeg subtracts a source's start in whole microseconds. A finer clock would have its first
# picture a little before 0, where the edit list of a copy leaves it out.
_AFTER_ZERO: Final = ("-itsoffset", "0.000001")


class Input(msgspec.Struct, frozen=True):
    """The input of a run: an address of the source relay, or a path in the scratch folder.

    ``hidden``: tracks that ffprobe is not to open.
    """

    location: str
    remote: bool
    hidden: tuple[Hidden, ...] = ()

    @property
    def port(self) -> int | None:
        """The TCP port that reading it needs."""
        return urlsplit(self.location).port if self.remote else None

    def options(self) -> list[str]:
        """Input options, which go before ``-i``."""
        limits = [
            "-protocol_whitelist",
            "http,tcp" if self.remote else "file",
            "-format_whitelist",
            FORMATS,
            # Some demuxers silently drop streams above the limit; one more makes that visible.
            "-max_streams",
            str(MAX_STREAMS + 1),
        ]
        if self.remote:
            # Microseconds: a stalled connection ends the run, and the task is tried again.
            limits += ["-rw_timeout", "20000000", "-reconnect", "1", "-reconnect_delay_max", "5"]
        return limits


# What is read of each of the first frames, and from how many packets of all tracks. Some facts are
# only in the picture's own data: its orientation (SEI), fields, colours.
_FRAME_FACTS: Final = (
    "frame=stream_index,interlaced_frame,color_range,color_space,color_primaries,color_transfer"
    ":frame_side_data=rotation,displaymatrix,red_x,red_y,green_x,green_y,blue_x,blue_y"
    ",white_point_x,white_point_y,min_luminance,max_luminance,max_content,max_average"
)
_FRAME_PACKETS: Final = 5
# Which streams belong together, where a transport stream carries several programs.
_PROGRAM_FACTS: Final = "program=program_id:program_stream=index"


def picture_of(video: VideoTrack) -> str:
    """ffmpeg's name for the video track that is shown, without the number of the input."""
    # Older plans do not say which track they mean: it is the first that is no cover.
    return "V:0" if video.stream is None else str(video.stream)


def sound_of(track: AudioTrack) -> str:
    """ffmpeg's name for a sound track, without the number of the input."""
    return f"a:{track.index}" if track.stream is None else str(track.stream)


def placed(track: AudioTrack) -> list[str]:
    """The filter that gives the channels of a track their places, where ffmpeg knows none."""
    return ["pan=stereo|c0=c0|c1=c1"] if track.unplaced else []


def probe(source: Input, *, frames: bool = True, warnings: bool = False) -> list[str]:
    """ffprobe: container, streams and the first frames, as JSON. ``warnings``: it prints them."""
    shown = ["-show_frames", "-read_intervals", f"%+#{_FRAME_PACKETS}"] if frames else []
    return [
        "-v",
        "warning" if warnings else "error",
        *source.options(),
        "-probesize",
        "20000000",
        "-analyzeduration",
        "20000000",
        "-show_format",
        "-show_streams",
        *shown,
        "-show_entries",
        f"{_PROGRAM_FACTS}:{_FRAME_FACTS}" if frames else _PROGRAM_FACTS,
        "-of",
        "json",
        "-i",
        source.location,
    ]


def packets(source: Input, after: float | None, *, ordered: bool = False) -> list[str]:
    """ffprobe: one line per packet from ``after`` seconds on: stream, time, duration and place.

    ``ordered``: pictures are shown in the order in which they are decoded.
    """
    interval = ["-read_intervals", f"{after:.3f}%"] if after else []
    return [
        "-v",
        "error",
        *source.options(),
        *interval,
        "-show_entries",
        f"packet=stream_index,{'dts_time' if ordered else 'pts_time'},duration_time,pos",
        "-of",
        "csv=p=0",
        "-i",
        source.location,
    ]


def encode_audio(
    source: Input, track: AudioTrack, silence: float | None, segment_seconds: float, target: Path
) -> list[str]:
    """ffmpeg: encode one whole sound track as AAC-LC, in fragments of about one segment.

    ``silence``: until when silence follows it, in seconds.
    """
    layout = "mono" if track.channels == 1 else "stereo"
    # Sample 0 of the output is time 0 of the file: gaps are filled with silence. The input starts
    # one frame later, because the encoder puts a silent frame before it.
    steps = [
        *placed(track),
        f"aresample={AUDIO_RATE}:async=1:first_pts=0",
        f"aformat=channel_layouts={layout},atrim=start_sample={AAC_FRAME}",
    ]
    if silence is not None:
        steps.append(f"apad=whole_len={round(silence * AUDIO_RATE) - AAC_FRAME}")
    return [
        *quiet(watched=True),
        "-copyts",
        "-start_at_zero",
        *source.options(),
        "-i",
        source.location,
        "-map",
        f"0:{sound_of(track)}",
        "-af",
        ",".join(steps),
        "-c:a",
        "aac",
        "-b:a",
        str(AUDIO_BIT_RATE // (2 if layout == "mono" else 1)),
        "-map_metadata",
        "-1",
        "-map_chapters",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags:a",
        "+bitexact",
        "-use_editlist",
        "0",
        "-frag_duration",
        str(round(segment_seconds * 1_000_000)),
        "-movflags",
        "+cmaf+frag_discont+default_base_moof",
        "-flush_packets",
        "1",
        "-f",
        "mp4",
        str(target),
    ]


def copy_packets(
    source: Input, facts: SourceFacts, target: Path, *, ordered: bool = False
) -> list[str]:
    """ffmpeg: copy the picture and the sound tracks that are used into an MP4 file.

    ``ordered``: pictures are shown in the order, and at the times, in which they are decoded.
    """
    # Made up, the times of such pictures would be those of the next ones. Where a file is cut, its
    # last packet is not whole.
    flags = ("" if ordered else "+genpts") + ("+discardcorrupt" if is_cut(facts) else "")
    arguments = [*quiet(), *(("-fflags", flags) if flags else ()), *_AFTER_ZERO, *source.options()]
    arguments += ["-i", source.location]
    tracks = [picture_of(facts.video)] if facts.video else []
    for track in (*tracks, *map(sound_of, facts.audio)):
        arguments += ["-map", f"0:{track}"]
    # Drop the global metadata of camera and editor; the tracks keep their languages. Chapters would
    # become a track, which may be longer than the video.
    arguments += ["-c", "copy", "-map_metadata:g", "-1", "-map_chapters", "-1"]
    return [*arguments, "-f", "mp4", str(target)]


def first_sound(source: Input, stream: int, target: Path) -> list[str]:
    """ffmpeg: decode the beginning of a sound track to a WAV file."""
    arguments = [*quiet(), *source.options(), "-i", source.location, "-map", f"0:{stream}"]
    return [*arguments, "-frames:a", "1", "-c:a", "pcm_s16le", "-f", "wav", str(target)]


def first_picture(source: Input, stream: int, target: Path) -> list[str]:
    """ffmpeg: decode the first picture of a video track, as it is stored, to a Matroska file.

    The file says what decoders alone know: size, shape and kind of pixels, and their colours.
    """
    arguments = [*quiet(), "-max_pixels", str(MAX_PIXELS), *source.options(), "-noautorotate"]
    arguments += ["-i", source.location, "-map", f"0:{stream}", "-frames:v", "1"]
    return [*arguments, "-c:v", "ffv1", "-f", "matroska", str(target)]


def quiet(*, watched: bool = False) -> Sequence[str]:
    """The first arguments of every run: no terminal, errors only, progress on standard output.

    A ``watched`` run also says when its source changes on the way: see ``process``.
    """
    progress = ("-progress", "pipe:1", "-stats_period", "0.5")
    said = "repeat+level+info" if watched else "error"
    return ("-nostdin", "-hide_banner", "-nostats", "-v", said, "-y", *progress)
