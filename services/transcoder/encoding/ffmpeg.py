"""The arguments of the ffmpeg and ffprobe runs on video and sound. Pure.

ffmpeg may open one local URL or one file in its scratch folder, and only containers from an
allow-list. The list refuses a playlist renamed to .mp4, which would make ffmpeg fetch other files.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from services.transcoder.encoding.colour_filters import in_output_colours, in_source_light
from services.transcoder.encoding.picture_filters import deinterlace, input_options, turn
from services.transcoder.planning.ending import is_cut
from services.transcoder.planning.extra_codecs import extra_encoder_arguments
from services.transcoder.planning.ladder import CRF, encoding
from services.transcoder.planning.plan import LONGEST_FRAMES, Timeline
from services.transcoder.planning.probe_report import MAX_PIXELS, MAX_STREAMS
from shared.containers import demuxers
from shared.contracts import AudioTrack, Chunk, Rendition, SourceFacts, VideoTrack

# ffmpeg detects the format by content, among all that it knows; then this list applies.
FORMATS: Final = ",".join(demuxers())

AUDIO_RATE: Final = 48_000
AUDIO_BIT_RATE: Final = 128_000
# Samples that the AAC encoder puts before the first one: one frame.
AAC_FRAME: Final = 1024

# Frames encoded and dropped before a chunk's first, so that the encoder's rate control has settled.
# Loss of VMAF at each chunk's start at 720p: 3.1 without warm-up, 0.7 with four frames, 0.4 with
# eight, 0.2 with sixteen.
WARM_UP_FRAMES: Final = 8


class Input(msgspec.Struct, frozen=True):
    """The input of a run: an address of the source relay, or a path in the scratch folder."""

    location: str
    remote: bool

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


def probe(source: Input, *, frames: bool = True) -> list[str]:
    """ffprobe: container, streams and the first frames, as JSON."""
    shown = ["-show_frames", "-read_intervals", f"%+#{_FRAME_PACKETS}"] if frames else []
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
        *shown,
        *(("-show_entries", _FRAME_FACTS) if frames else ()),
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


class ChunkRun(msgspec.Struct, frozen=True):
    """One run that encodes some renditions of a chunk.

    ``last``: whether it is the video's last chunk.
    """

    source: Input
    video: VideoTrack
    chunk: Chunk
    line: Timeline
    renditions: tuple[Rendition, ...]
    last: bool
    preset: str
    threads: int

    @property
    def warm_up(self) -> int:
        """Frames before the chunk that are encoded and dropped."""
        return _warm_up(self.chunk)

    @property
    def frames(self) -> int:
        """Frames that the run encodes, warm-up included."""
        return self.warm_up + (self.chunk.frames or 0)

    @property
    def start(self) -> Fraction:
        """When the run's first frame is shown, in seconds."""
        return Fraction(self.chunk.first_frame - self.warm_up) / self.line.frame_rate


def _warm_up(chunk: Chunk) -> int:
    return min(WARM_UP_FRAMES, chunk.first_frame)


def picture_end(video: VideoTrack) -> float | None:
    """When the picture ends, in seconds; None where it is as long as the video."""
    return video.length_ms / 1000 if video.length_ms else None


def read_from(chunk: Chunk, line: Timeline, video: VideoTrack) -> float:
    """Where a chunk's run starts to read, in seconds after the source's start.

    It is early enough to include the source frame that is on screen at the run's first frame.
    """
    start = float(Fraction(chunk.first_frame - _warm_up(chunk)) / line.frame_rate)
    ended = picture_end(video)
    if ended is not None:
        start = min(start, ended)
    return max(0.0, start - max(1.0, video.longest_frame_ms / 1000 + 0.1))


def encode_chunk(run: ChunkRun, folder: Path) -> list[str]:
    """ffmpeg: decode a chunk once, encode each rendition to ``folder/<name>.mp4``."""
    line = run.line
    seek = read_from(run.chunk, line, run.video)
    arguments = [*quiet(watched=True), "-threads", str(run.threads), "-max_pixels", str(MAX_PIXELS)]
    # Keep the source's timestamps, relative to its start, so that all chunks have the same clock.
    arguments += ["-copyts", "-start_at_zero"]
    if seek:
        arguments += ["-ss", f"{seek:.6f}"]
    arguments += [*run.source.options(), *input_options(run.video), "-i", run.source.location]
    arguments += ["-filter_complex_threads", str(run.threads)]
    arguments += ["-filter_complex", _graph(run)]
    for rendition in run.renditions:
        arguments += ["-map", f"[{rendition.name}]", *_encoder(run, rendition)]
        arguments += [*_fragmented(), "-video_track_timescale", str(line.timescale)]
        arguments += ["-f", "mp4", str(folder / f"{rendition.name}.mp4")]
    return arguments


def _graph(run: ChunkRun) -> str:
    """The filters from the source's frames to each rendition.

    Frames are repeated after they are scaled: a repeated frame is then the same memory, where a
    scaled one would be new. ffmpeg makes all frames of a gap before an encoder takes the first.
    """
    clock = _clock(run)
    shown = f"0:{picture_of(run.video)}"
    # Fields are rows of the picture as it is stored, so they come before it is turned.
    first = [*deinterlace(run.video), *turn(run.video)]
    graph = f"[{shown}]{','.join(first)}[top]" if first else ""
    current = "top" if graph else shown
    # Each rendition is scaled from the next larger one, which costs less than from the source.
    for index, rendition in enumerate(run.renditions):
        size = f"scale={rendition.width}:{rendition.height}:flags=bicubic"
        picture = ",".join(_first_picture(run.video, rendition, size)) if index == 0 else size
        # Even sizes change the aspect ratio slightly; ffmpeg would record that in the pixel shape.
        picture += ",setsar=1"
        graph += f"{';' if graph else ''}[{current}]{picture}"
        if index + 1 < len(run.renditions):
            graph += f",split=2[scaled{index}][below{index}];[scaled{index}]"
            current = f"below{index}"
        else:
            graph += ","
        graph += f"{clock}[{rendition.name}]"
    return graph


def _first_picture(video: VideoTrack, rendition: Rendition, size: str) -> list[str]:
    """The filters to the largest rendition of a run; all of a run have the same range."""
    return (in_output_colours if rendition.video_range == "SDR" else in_source_light)(video, size)


def _clock(run: ChunkRun) -> str:
    """The filters that make output frame n show what the source shows at time n / rate."""
    rate = run.line.frame_rate
    start, ended = float(run.start), picture_end(run.video)
    steps = [f"fps={rate}:start_time={start:.9f}:round=near"]
    if run.chunk.first_frame == 0 and (ended or float(run.frames / rate)) <= float(1 / rate):
        # A picture that is over before half a frame is shown nevertheless.
        steps[0] += ":eof_action=pass"
    if ended is not None and ended < start + float(run.frames / rate):
        late = start + float(2 / rate) - ended
        if ended < start + float(1 / rate):
            # The picture has ended before: its end is moved into the frames that are dropped.
            steps.insert(0, f"setpts=PTS+{late:.6f}/TB")
        steps.append("tpad=stop_mode=clone:stop=-1")
    elif run.last:
        # Sound may be a little longer than the picture: the last frame is repeated.
        steps.append(f"tpad=stop_mode=clone:stop_duration={float(2 / rate):.6f}")
    return ",".join([*steps, f"trim=end_frame={run.frames}"])


def _encoder(run: ChunkRun, rendition: Rendition) -> list[str]:
    # The same in all chunks, so that the encoder looks ahead equally far in each.
    longest = LONGEST_FRAMES if run.line.borders else run.line.segment_frames
    keys = _key_frames(run)
    if rendition.video_codec != "h264":
        return extra_encoder_arguments(rendition, run.video, longest, keys, run.threads)
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
        # Key frames at segment starts only, and no frame refers across one.
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
        # One frame out for each frame in: the fps filter has already set the times.
        "-fps_mode",
        "passthrough",
    ]


def _key_frames(run: ChunkRun) -> str:
    """An expression that selects the first frames of segments, counted in frames of this run."""
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
        "-map_chapters",
        "-1",
        "-fflags",
        "+bitexact",
        # The edit list compensates the delay of B frames; without it players are two frames late.
        "-use_editlist",
        "1",
        # frag_discont writes the absolute time into tfdt; without it each chunk would start at 0.
        "-movflags",
        "+frag_keyframe+delay_moov+default_base_moof+frag_discont",
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


def copy_packets(source: Input, facts: SourceFacts, target: Path) -> list[str]:
    """ffmpeg: copy the picture and the sound tracks that are used into an MP4 file."""
    # Where a file is cut, its last packet is not whole.
    flags = "+genpts+discardcorrupt" if is_cut(facts) else "+genpts"
    arguments = [*quiet(), "-fflags", flags, *source.options(), "-i", source.location]
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
    """ffmpeg: decode the first picture of a video track to a PPM file."""
    arguments = [*quiet(), "-max_pixels", str(MAX_PIXELS), *source.options()]
    arguments += ["-i", source.location, "-map", f"0:{stream}", "-frames:v", "1"]
    return [*arguments, "-f", "image2", "-c:v", "ppm", "-update", "1", str(target)]


def quiet(*, watched: bool = False) -> Sequence[str]:
    """The first arguments of every run: no terminal, errors only, progress on standard output.

    A ``watched`` run also says when its source changes on the way: see ``process``.
    """
    progress = ("-progress", "pipe:1", "-stats_period", "0.5")
    said = "repeat+level+info" if watched else "error"
    return ("-nostdin", "-hide_banner", "-nostats", "-v", said, "-y", *progress)
