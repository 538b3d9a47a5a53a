"""The arguments of every ffmpeg and ffprobe run. Pure: the comments say why a flag is there.

ffmpeg is only ever given what it may open: a presigned URL or a file in its own scratch folder,
and containers from a list; a playlist in disguise is not on it, so nothing else is ever fetched.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.planning.extra_codecs import extra_encoder_arguments
from services.transcoder.planning.ladder import CRF, encoding
from services.transcoder.planning.plan import LONGEST_FRAMES, Timeline
from services.transcoder.planning.probe_report import MAX_PIXELS, MAX_STREAMS
from shared.contracts import AudioTrack, Chunk, Rendition, VideoTrack

# By content, whatever the name says. Playlists (hls, dash, concat), image sequences and devices
# are not containers that a person uploads; each of them can name other files or addresses.
FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,ogg,mp3,aac,wav,flac"
)

AUDIO_RATE: Final = 48_000
AUDIO_BIT_RATE: Final = 128_000
# What AAC's encoder puts before the first sample: one frame.
AAC_FRAME: Final = 1024

# Frames encoded and thrown away before a chunk's first, so that the encoder's rate control has
# settled: without them the first picture of each chunk is visibly worse, by 3.1 VMAF at 720p; with
# four it is 0.7, with eight 0.4, with sixteen 0.2, and each costs what a frame costs.
WARM_UP_FRAMES: Final = 8


class Input(msgspec.Struct, frozen=True):
    """What to read: a presigned URL, or a path in the scratch folder."""

    location: str
    remote: bool

    def options(self) -> list[str]:
        """Input options; they stand before ``-i``."""
        limits = [
            "-protocol_whitelist",
            "http,https,tcp,tls" if self.remote else "file",
            "-format_whitelist",
            FORMATS,
            # Some demuxers silently leave out what is above the limit: one more shows that.
            "-max_streams",
            str(MAX_STREAMS + 1),
        ]
        if self.remote:
            # A stalled connection ends the run; the task is tried again.
            limits += ["-rw_timeout", "20000000", "-reconnect", "1", "-reconnect_delay_max", "5"]
        return limits


def probe(source: Input) -> list[str]:
    """ffprobe: everything about the streams, as JSON."""
    return [
        "-v",
        "error",
        *source.options(),
        "-probesize",
        "20000000",
        "-analyzeduration",
        "20000000",
        "-show_format",
        "-show_streams",
        "-of",
        "json",
        "-i",
        source.location,
    ]


def packets(source: Input, after: float | None) -> list[str]:
    """ffprobe: stream, time and duration of packets, one line each, from ``after`` seconds on."""
    interval = ["-read_intervals", f"{after:.3f}%"] if after else []
    return [
        "-v",
        "error",
        *source.options(),
        *interval,
        "-show_entries",
        "packet=stream_index,pts_time,duration_time",
        "-of",
        "csv=p=0",
        "-i",
        source.location,
    ]


class ChunkRun(msgspec.Struct, frozen=True):
    """One chunk of some renditions, ``gap`` the longest time between two source frames."""

    source: Input
    video: VideoTrack
    chunk: Chunk
    line: Timeline
    renditions: tuple[Rendition, ...]
    last: bool
    preset: str
    threads: int
    gap: float = 0.0

    @property
    def warm_up(self) -> int:
        """Frames before the chunk that are encoded and thrown away."""
        return _warm_up(self.chunk)

    @property
    def frames(self) -> int:
        """Frames that the run encodes."""
        return self.warm_up + (self.chunk.frames or 0)


def _warm_up(chunk: Chunk) -> int:
    return min(WARM_UP_FRAMES, chunk.first_frame)


def read_from(chunk: Chunk, line: Timeline, gap: float) -> float:
    """From where on a chunk's run reads, in seconds after the source's start: early enough to hold
    the frame that is on screen when its first frame is due."""
    start = Fraction(chunk.first_frame - _warm_up(chunk)) / line.frame_rate
    return max(0.0, float(start) - max(1.0, gap + 0.1))


def encode_chunk(run: ChunkRun, folder: Path) -> list[str]:
    """ffmpeg: decode once, encode every rendition of a chunk to ``folder/<name>.mp4``."""
    line = run.line
    start = Fraction(run.chunk.first_frame - run.warm_up) / line.frame_rate
    seek = read_from(run.chunk, line, run.gap)
    arguments = [*quiet(), "-threads", str(run.threads), "-max_pixels", str(MAX_PIXELS)]
    # The source's own timestamps, counted from its start: every chunk sees the same clock.
    arguments += ["-copyts", "-start_at_zero"]
    if seek:
        arguments += ["-ss", f"{seek:.6f}"]
    arguments += [*run.source.options(), "-i", run.source.location]
    arguments += ["-filter_complex_threads", str(run.threads)]
    arguments += ["-filter_complex", _graph(run, start)]
    for rendition in run.renditions:
        arguments += ["-map", f"[{rendition.name}]", *_encoder(run, rendition)]
        arguments += [*_fragmented(), "-video_track_timescale", str(line.timescale)]
        arguments += ["-f", "mp4", str(folder / f"{rendition.name}.mp4")]
    return arguments


def _graph(run: ChunkRun, start: Fraction) -> str:
    rate = run.line.frame_rate
    steps: list[str] = []
    if run.video.interlaced:
        steps.append("bwdif=mode=send_frame")
    # Output frame n shows what the source shows at n / rate, whatever the source's own rate.
    steps.append(f"fps={rate}:start_time={float(start):.9f}:round=near")
    steps.append(f"trim=end_frame={run.frames}")
    if run.last:
        # The sound may outlast the picture by a little: hold the last frame rather than lose one.
        steps.insert(-1, f"tpad=stop_mode=clone:stop_duration={float(2 / rate):.6f}")
    graph = f"[0:V:0]{','.join(steps)}[top]"
    current = "top"
    # Each rendition is scaled from the one above it, which costs less than from the source.
    for index, rendition in enumerate(run.renditions):
        size = f"scale={rendition.width}:{rendition.height}:flags=bicubic"
        if index == 0:
            picture = f"{size},{tone_map()}" if run.video.hdr else f"{size}:out_range=tv"
            picture += ",format=yuv420p"
        else:
            picture = size
        # Even sizes cannot keep the aspect ratio to the last digit; the pixels are square.
        picture += ",setsar=1"
        if index + 1 < len(run.renditions):
            graph += f";[{current}]{picture},split=2[{rendition.name}][below{index}]"
            current = f"below{index}"
        else:
            graph += f";[{current}]{picture}[{rendition.name}]"
    return graph


def tone_map() -> str:
    """HDR (PQ or HLG, BT.2020) to SDR (BT.709): linear light, curve, back."""
    return (
        "zscale=transfer=linear:npl=100:primariesin=2020:matrixin=2020_ncl,format=gbrpf32le,"
        "zscale=primaries=709,tonemap=hable:desat=0,"
        "zscale=transfer=709:matrix=709:range=limited"
    )


def _encoder(run: ChunkRun, rendition: Rendition) -> list[str]:
    # The same for all chunks, so that the encoder looks equally far ahead in each.
    longest = LONGEST_FRAMES if run.line.borders else run.line.segment_frames
    keys = _key_frames(run)
    if rendition.video_codec != "h264":
        return extra_encoder_arguments(rendition, longest, keys, run.threads)
    settings = encoding(rendition)
    return [
        "-c:v",
        "libx264",
        "-preset",
        run.preset,
        "-threads",
        str(run.threads),
        "-profile:v",
        "high",
        "-level:v",
        f"{settings.level / 10:.1f}",
        "-crf",
        str(CRF),
        "-maxrate",
        str(settings.max_rate),
        "-bufsize",
        str(settings.buffer),
        # Key frames at segment starts and nowhere else, and no frame refers across one.
        "-g",
        str(longest),
        "-keyint_min",
        str(longest),
        "-force_key_frames",
        keys,
        "-sc_threshold",
        "0",
        "-flags:v",
        "+bitexact+cgop",
        # One frame in, one frame out: the fps filter has already done the timing.
        "-fps_mode",
        "passthrough",
    ]


def _key_frames(run: ChunkRun) -> str:
    """Where segments begin, in frames of this run."""
    chunk, line = run.chunk, run.line
    if not line.borders:
        return f"expr:not(mod(n-{run.warm_up},{line.segment_frames}))"
    segments = range(chunk.first_segment, chunk.first_segment + chunk.segments)
    starts = [line.first_frame(segment) - chunk.first_frame + run.warm_up for segment in segments]
    return f"expr:{'+'.join(f'eq(n,{start})' for start in starts)}"


def _fragmented() -> list[str]:
    return [
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        # The edit list takes back the delay of B frames; without it players are two frames late.
        "-use_editlist",
        "1",
        # frag_discont keeps the absolute time in tfdt; without it each chunk would start at 0.
        "-movflags",
        "+frag_keyframe+delay_moov+default_base_moof+frag_discont",
    ]


def encode_audio(
    source: Input, track: AudioTrack, segment_seconds: float, target: Path
) -> list[str]:
    """ffmpeg: one whole sound track as AAC-LC in fragments of about a segment."""
    layout = "mono" if track.channels == 1 else "stereo"
    # Sample 0 of the output is time 0 of the file: gaps are filled with silence, and the
    # encoder's first frame, which holds no sound yet, is cut off by starting one frame later.
    clock = (
        f"aresample={AUDIO_RATE}:async=1:first_pts=0,"
        f"aformat=channel_layouts={layout},atrim=start_sample={AAC_FRAME}"
    )
    return [
        *quiet(),
        "-copyts",
        "-start_at_zero",
        *source.options(),
        "-i",
        source.location,
        "-map",
        f"0:a:{track.index}",
        "-af",
        clock,
        "-c:a",
        "aac",
        "-b:a",
        str(AUDIO_BIT_RATE // (2 if layout == "mono" else 1)),
        "-map_metadata",
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


def copy_packets(source: Input, sounds: int, target: Path) -> list[str]:
    """ffmpeg: the picture and the first ``sounds`` sound tracks as they are, in an MP4 file."""
    arguments = [*quiet(), "-fflags", "+genpts", *source.options(), "-i", source.location]
    arguments += ["-map", "0:V:0"]
    for track in range(sounds):
        arguments += ["-map", f"0:a:{track}"]
    # Languages stay; whatever else its camera or editor wrote does not.
    return [*arguments, "-c", "copy", "-map_metadata:g", "-1", "-f", "mp4", str(target)]


def quiet() -> Sequence[str]:
    """How every run begins: no terminal, errors only, progress on standard output."""
    progress = ("-progress", "pipe:1", "-stats_period", "0.5")
    return ("-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", *progress)
