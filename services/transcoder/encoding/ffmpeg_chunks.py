"""The arguments of the ffmpeg runs that encode chunks of the picture. Pure."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding.colour_filters import in_output_colours, in_source_light
from services.transcoder.encoding.ffmpeg import Input, picture_of, quiet
from services.transcoder.encoding.picture_filters import deinterlace, input_options, turn
from services.transcoder.planning.extra_codecs import extra_encoder_arguments
from services.transcoder.planning.ladder import CRF, encoding
from services.transcoder.planning.plan import LONGEST_FRAMES, Timeline
from services.transcoder.planning.probe_report import MAX_PIXELS
from shared.contracts import Chunk, Rendition, VideoTrack

# Frames encoded and dropped before a chunk's first, so that the encoder's rate control has settled.
# Loss of VMAF at each chunk's start at 720p: 3.1 without warm-up, 0.7 with four frames, 0.4 with
# eight, 0.2 with sixteen.
WARM_UP_FRAMES: Final = 8


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
