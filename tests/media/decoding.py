"""Decodes sources and finished videos with plain ffmpeg, to small grey pictures and mono sound.

A false time stamp may claim hours, which filters would fill with pictures and silence. So what is
decoded is bounded in length, and each run in memory.
"""

import re
import resource
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from services.transcoder.domain.state import audio_name
from services.transcoder.planning.ending import GUESSED
from shared.contracts import AudioTrack, Rendition, VideoTrack
from shared.programs.finding import find_ffmpeg
from tests.media.pipeline import Processed
from tests.media.source_streams import SourceStreams

Pictures = np.ndarray[Any, np.dtype[np.uint8]]
Samples = np.ndarray[Any, np.dtype[np.float32]]
Times = np.ndarray[Any, np.dtype[np.float64]]

SOUND_RATE: Final = 8000
# Sound that is so much longer than the picture is played out over its last frame.
PLAYED_OUT: Final = 1.0
_ABOUT: Final = 0.2

# Pixels on the longer side of the pictures that are compared.
_SIDE: Final = 96
# Containers that ffmpeg reads on where a second file follows, whose times begin again. Pictures are
# decoded in the order in which they are shown, so their times go back nowhere else.
_RESTARTING: Final = frozenset(("flv", "matroska"))
_BACK_SECONDS: Final = 0.1
# Containers whose times say less than the order of their samples.
_UNTIMED: Final = GUESSED | {"flac"}

# Seconds that are compared at most, and seconds after a video's end in which it shows that its
# source is longer.
_MOST_SECONDS: Final = 900.0
_BEYOND_SECONDS: Final = 5.0
# Of one run.
_MEMORY_BYTES: Final = 1 << 30
_TIMEOUT: Final = 600


class Reference(msgspec.Struct, frozen=True):
    """What plain ffmpeg decodes: pictures at the output's rate, and each sound track."""

    pictures: Pictures | None
    sounds: tuple[Samples, ...]


class Decoded(msgspec.Struct, frozen=True):
    """What a video shows and plays, by the names of its renditions and sound tracks.

    Each frame is there as often as it is stored, and sound begins at time 0.
    """

    pictures: dict[str, Pictures]
    sounds: dict[str, Samples]


class _Tracks(msgspec.Struct, frozen=True):
    """What is decoded of a source, for ``seconds``. ``shown``: the filters of its pictures."""

    video: VideoTrack | None
    audio: tuple[AudioTrack, ...]
    seconds: float
    shape: tuple[int, int] = (0, 0)
    shown: str = ""


def decode_source(source: Path, streams: SourceStreams, made: Processed, folder: Path) -> Reference:
    """Decode a source's tracks in one ordinary run, so that ffmpeg keeps them together."""
    tracks = _tracks(streams, made)
    rate = Fraction(made.planned.renditions[0].frame_rate) if made.planned.renditions else None
    if rate and tracks.video is not None and made.planned.source.container in _RESTARTING:
        every, times = _all_pictures(source, tracks)
        if (np.diff(times) < -_BACK_SECONDS).any():
            # Times begin again on the way: all is shown one after the other.
            return Reference(
                _at_rate(every, _one_clock(times), rate),
                tuple(_in_order(source, track, tracks) for track in tracks.audio),
            )
    between = folder / "reference.nut"
    _decode_together(source, tracks, between)
    pictures, sounds = _on_clock(between, tracks, rate, folder)
    if made.planned.source.container in _UNTIMED:
        # Times of a stream without a container are only guessed, and those of joined FLAC begin
        # again: samples are laid end to end.
        sounds = [_in_order(source, track, tracks) for track in tracks.audio]
    if pictures is not None and sounds and rate is not None:
        longest = max(len(sound) for sound in sounds) / SOUND_RATE
        pictures = _held(pictures, longest, rate, _planned_frames(made))
    return Reference(pictures, tuple(sounds))


def decode_video(made: Processed, folder: Path) -> Decoded:
    """All that a finished video has, in one run."""
    planned, arguments, outputs = made.planned, [], []
    shape = _shape(planned.renditions[-1]) if planned.renditions else (0, 0)
    pictures = [rendition.name for rendition in planned.renditions]
    # A track of which nothing was made has no playlist.
    names = [audio_name(track.index) for track in planned.audio]
    sounds = [name for name in names if made.state.audio[name].segments]
    for name in (*pictures, *sounds):
        arguments += ["-t", f"{_MOST_SECONDS}", "-i", str(made.playlist(name))]
    for number, rendition in enumerate(planned.renditions):
        outputs += ["-map", f"{number}:v", "-vf", _stored(rendition, shape)]
        outputs += ["-fps_mode", "passthrough", "-f", "rawvideo", str(folder / rendition.name)]
    for number, name in enumerate(sounds, len(pictures)):
        # Every sample that players decode: times that disagree with them must not hide any.
        outputs += ["-map", f"{number}:a", "-af", f"aresample={SOUND_RATE}", "-ac", "1"]
        outputs += ["-f", "f32le", str(folder / name)]
    _run([*arguments, *outputs])
    return Decoded(
        {name: _as_pictures((folder / name).read_bytes(), shape) for name in pictures},
        {name: np.fromfile(folder / name, dtype=np.float32) for name in sounds},
    )


def _tracks(streams: SourceStreams, made: Processed) -> _Tracks:
    """The tracks to decode, by their numbers in the source."""
    planned = made.planned
    video, audio = planned.source.video, planned.audio
    # The picture is chosen without the plan, whose numbers may be those of a copy.
    first = streams.pictures[0] if streams.pictures else None
    video = msgspec.structs.replace(video, stream=first) if video else None
    if planned.remuxed_key and len(streams.sounds) >= len(audio):
        audio = tuple(
            msgspec.structs.replace(track, stream=number)
            for track, number in zip(audio, streams.sounds, strict=False)
        )
    elif planned.remuxed_key:
        audio = tuple(msgspec.structs.replace(track, stream=None) for track in audio)
    seconds = min(_MOST_SECONDS, planned.source.duration_ms / 1000 + _BEYOND_SECONDS)
    if video is None or not planned.renditions or planned.picture_key is not None:
        return _Tracks(None, audio, seconds)
    size = planned.renditions[-1]
    shape = _shape(size)
    field = "bwdif=mode=send_field:deint=interlaced," if video.interlaced else ""
    # Shape of pixels first: the output has square ones.
    square = "scale='trunc(iw*max(sar,1))':'trunc(ih/min(sar,1))',setsar=1"
    # Borders are where they are in the rendition, also between two pixels of the small picture.
    bordered = f"{_fit(size.width, size.height)},pad={size.width}:{size.height}:-1:-1"
    small = f"scale={shape[0]}:{shape[1]}:flags=bicubic,setsar=1,format=gray"
    shown = f"{field}{square},{bordered},{small},trim=end={seconds}"
    return _Tracks(video, audio, seconds, shape, shown)


def _decode_together(source: Path, tracks: _Tracks, target: Path) -> None:
    arguments = ["-i", str(source), "-map_metadata", "-1"]
    if tracks.video is not None:
        arguments += ["-map", _picture(tracks.video), "-c:v", "rawvideo", "-fps_mode", "vfr"]
        # Not the clock of the rate that a container states, which may be too slow.
        arguments += ["-enc_time_base:v", "1:90000", "-vf", tracks.shown]
    for number, track in enumerate(tracks.audio):
        arguments += ["-map", _sound(track)]
        # ffmpeg does not mix channels without a place.
        place = ["pan=stereo|c0=c0|c1=c1"] if track.unplaced else []
        steps = ",".join([*place, f"atrim=end={tracks.seconds}"])
        arguments += [f"-filter:a:{number}", steps]
        if not track.unplaced:
            arguments += [f"-ac:a:{number}", str(min(2, track.channels))]
    if tracks.audio:
        arguments += ["-c:a", "pcm_f32le", "-ar", str(SOUND_RATE)]
    _run([*arguments, "-f", "nut", str(target)])


def _on_clock(
    between: Path, tracks: _Tracks, rate: Fraction | None, folder: Path
) -> tuple[Pictures | None, list[Samples]]:
    """What was decoded together, at a constant rate: pictures and each sound track."""
    arguments = ["-i", str(between)]
    file = folder / "reference.gray"
    if tracks.video is not None:
        clock = f"fps={rate}:start_time=0:round=near"
        arguments += ["-map", "0:v", "-vf", clock, "-fps_mode", "passthrough"]
        arguments += ["-f", "rawvideo", str(file)]
    heard = [folder / f"reference-{number}.f32" for number in range(len(tracks.audio))]
    for number, target in enumerate(heard):
        clock = f"aresample={SOUND_RATE}:async=1:first_pts=0"
        arguments += ["-map", f"0:a:{number}", "-af", clock, "-ac", "1", "-f", "f32le", str(target)]
    _run(arguments)
    sounds = [np.fromfile(target, dtype=np.float32) for target in heard]
    if tracks.video is None:
        return None, sounds
    pictures = _as_pictures(file.read_bytes(), tracks.shape)
    if not len(pictures):
        # The only picture of a file that does not say how long it is shown.
        options = ["-i", str(between), "-map", "0:v", "-fps_mode", "passthrough"]
        pictures = _as_pictures(_run([*options, "-f", "rawvideo", "-"]), tracks.shape)
    return pictures, sounds


def _all_pictures(source: Path, tracks: _Tracks) -> tuple[Pictures, Times]:
    """All pictures of a source one after the other, and their times, whatever those are."""
    assert tracks.video is not None
    options = ["-v", "info", "-nostats", "-i", str(source), "-map", _picture(tracks.video)]
    options += ["-vf", f"{tracks.shown},showinfo=checksum=0", "-fps_mode", "passthrough"]
    data, said = _run_told([*options, "-f", "rawvideo", "-"])
    times = [float(found) for found in re.findall(r" pts_time:(-?[\d.]+)", said)]
    pictures = _as_pictures(data, tracks.shape)
    return pictures, np.array(times[: len(pictures)])


def _one_clock(times: Times) -> Times:
    """Times that go on where those of a file begin again.

    A picture lasts as long as the one before.
    """
    steps = np.diff(times)
    for back in np.flatnonzero(steps < -_BACK_SECONDS):
        steps[back] = max(0.0, steps[back - 1]) if back else 0.0
    return np.concatenate([[0.0], np.cumsum(steps)])


def _at_rate(pictures: Pictures, times: Times, rate: Fraction) -> Pictures:
    """The pictures that are on screen at each time of a constant rate."""
    last = times[-1] + float(np.median(np.diff(times)))
    frames = np.arange(max(1, round(last * rate))) / float(rate)
    shown = np.searchsorted(times, frames + 0.5 / float(rate)) - 1
    return pictures[np.clip(shown, 0, len(pictures) - 1)]


def _in_order(source: Path, track: AudioTrack, tracks: _Tracks) -> Samples:
    """A sound track's samples one after the other, whatever their times."""
    layout = "mono" if track.channels == 1 else "stereo"
    steps = f"aformat=channel_layouts={layout},aresample={SOUND_RATE}"
    options = ["-i", str(source), "-map", _sound(track), "-af", steps, "-ac", "1"]
    most = ["-fs", str(round(tracks.seconds * SOUND_RATE * 4))]
    return np.frombuffer(_run([*options, *most, "-f", "f32le", "-"]), dtype=np.float32)


def _planned_frames(made: Processed) -> int:
    return sum(chunk.frames or 0 for chunk in made.planned.chunks)


def _held(pictures: Pictures, seconds: float, rate: Fraction, planned: int) -> Pictures:
    """The pictures of a film; where its sound goes on, the last one is held.

    Where it goes on for about a second, either length is right.
    """
    missing = round(seconds * rate) - len(pictures)
    if missing <= (PLAYED_OUT - _ABOUT) * rate:
        return pictures
    if missing <= (PLAYED_OUT + _ABOUT) * rate and 2 * (planned - len(pictures)) < missing:
        return pictures
    return np.concatenate([pictures, pictures[-1:].repeat(missing, 0)])


def _stored(rendition: Rendition, shape: tuple[int, int]) -> str:
    """The filters that show a rendition's frames as they are stored."""
    clock = f"fps={Fraction(rendition.frame_rate)}:start_time=0:round=near,"
    scale = f"scale={shape[0]}:{shape[1]}:flags=bicubic,format=gray"
    return f"{clock if rendition.passthrough else ''}{scale}"


def _shape(rendition: Rendition) -> tuple[int, int]:
    """Width and height of the pictures that are compared, with the rendition's proportions."""
    scale = _SIDE / max(rendition.width, rendition.height)
    return max(8, round(rendition.width * scale)), max(8, round(rendition.height * scale))


def _fit(width: int, height: int) -> str:
    """The filter that fits pictures of square pixels into a box; near proportions fill it."""
    near = f"lt(abs(iw/ih*{height}/{width}-1),0.04)"
    across = f"if({near},{width},min({width},trunc({height}*iw/ih)))"
    down = f"if({near},{height},min({height},trunc({width}*ih/iw)))"
    return f"scale='{across}':'{down}':flags=bicubic"


def _picture(video: VideoTrack) -> str:
    return "0:V:0" if video.stream is None else f"0:{video.stream}"


def _sound(track: AudioTrack) -> str:
    return f"0:a:{track.index}" if track.stream is None else f"0:{track.stream}"


def _as_pictures(raw: bytes, shape: tuple[int, int]) -> Pictures:
    width, height = shape
    count = len(raw) // (width * height)
    data = np.frombuffer(raw, dtype=np.uint8, count=count * width * height)
    return data.reshape(count, height, width)


def _run(arguments: Sequence[str]) -> bytes:
    """What ffmpeg writes to its output, within its memory."""
    return _run_told(arguments)[0]


def _run_told(arguments: Sequence[str]) -> tuple[bytes, str]:
    """What ffmpeg writes to its output, within its memory, and what it says."""
    command = [find_ffmpeg(None), "-nostdin", "-hide_banner", "-v", "error", "-y"]
    # What decodes counts, however much does not.
    command += ["-max_error_rate", "1", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
        try:
            answer, said = process.communicate(timeout=_TIMEOUT)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, answer, said)
    return answer, said.decode(errors="replace")
