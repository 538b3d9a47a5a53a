"""Decodes sources and finished videos with plain ffmpeg, to small grey pictures and mono sound.

A false time stamp may claim hours, which filters would fill with pictures and silence. So what is
decoded is bounded in length, and each run in memory.
"""

import resource
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from services.transcoder.domain.state import audio_name
from services.transcoder.planning.ending import GUESSED
from shared.contracts import AudioTrack, Rendition, VideoTrack
from shared.programs.finding import find_ffmpeg
from tests.media.pipeline import Processed
from tests.media.recordings import lasting, recordings
from tests.media.source_streams import SourceStreams, shapes

Pictures = np.ndarray[Any, np.dtype[np.uint8]]
Samples = np.ndarray[Any, np.dtype[np.float32]]

SOUND_RATE: Final = 8000
# Sound that is so much longer than the picture is played out over its last frame.
PLAYED_OUT: Final = 1.0
_ABOUT: Final = 0.2

# Pixels on the longer side of the pictures that are compared.
_SIDE: Final = 96
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
    """What plain ffmpeg decodes: pictures at the output's rate, and each sound track.

    ``every``: all pictures, also those that are not shown at that rate.
    """

    pictures: Pictures | None
    sounds: tuple[Samples, ...]
    every: Pictures | None = None


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
    """Decode a source's tracks in one ordinary run, so that ffmpeg keeps them together.

    Recordings that were joined are decoded each by itself: they are shown one after the other.
    """
    tracks = _tracks(source, streams, made)
    rate = Fraction(made.planned.renditions[0].frame_rate) if made.planned.renditions else None
    parts = recordings(source, made.planned.source.container, folder)
    together = _decode_together(parts[0] if parts else source, tracks, made, folder)
    ended = 0.0
    for before, part in pairwise(parts):
        try:
            following = _decode_together(part, tracks, made, folder)
        except subprocess.CalledProcessError:
            # It is cut off before its first picture and its first sound.
            continue
        ended += lasting(before)
        together = _followed(together, following, rate or Fraction(0), ended)
    pictures, sounds = together.pictures, together.sounds
    if pictures is not None and sounds and rate is not None:
        longest = max(len(sound) for sound in sounds) / SOUND_RATE
        pictures = _held(pictures, longest, rate, _planned_frames(made))
    return msgspec.structs.replace(together, pictures=pictures)


def _decode_together(source: Path, tracks: _Tracks, made: Processed, folder: Path) -> Reference:
    """What one ordinary run decodes, on one clock."""
    rate = Fraction(made.planned.renditions[0].frame_rate) if made.planned.renditions else None
    between = folder / "reference.nut"
    _decode_to(between, source, tracks)
    # AVI begins at 0. What ffmpeg guesses of reordered pictures without times begins later.
    from_zero = made.planned.source.container == "avi"
    found = _on_clock(between, tracks, rate, folder, from_zero=from_zero)
    if made.planned.source.container in _UNTIMED:
        # Times of a stream without a container are only guessed, and those of joined FLAC begin
        # again: samples are laid end to end.
        sounds = tuple(_in_order(source, track, tracks) for track in tracks.audio)
        found = msgspec.structs.replace(found, sounds=sounds)
    return found


def _followed(one: Reference, other: Reference, rate: Fraction, ended: float) -> Reference:
    """A recording, and another one that begins where the longest track of the first has ended.

    ``ended``: when its last packet has, in seconds.
    """
    lengths = [ended, *(len(sound) / SOUND_RATE for sound in one.sounds)]
    if one.pictures is not None:
        lengths.append(float(len(one.pictures) / rate))
    end = max(lengths)
    sounds = [
        np.concatenate([a, np.zeros(max(0, round(end * SOUND_RATE) - len(a)), np.float32), b])
        for a, b in zip(one.sounds, other.sounds, strict=True)
    ]
    if one.pictures is None or other.pictures is None or one.every is None or other.every is None:
        return msgspec.structs.replace(one, sounds=tuple(sounds))
    held = one.pictures[-1:].repeat(max(0, round(end * rate) - len(one.pictures)), 0)
    return Reference(
        np.concatenate([one.pictures, held, other.pictures]),
        tuple(sounds),
        np.concatenate([one.every, other.every]),
    )


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


def _tracks(source: Path, streams: SourceStreams, made: Processed) -> _Tracks:
    """The tracks to decode, by their numbers in the source."""
    planned = made.planned
    video, audio = planned.source.video, planned.audio
    # The picture is chosen without the plan, whose numbers may be those of a copy.
    first = streams.pictures[0] if streams.pictures else None
    video = msgspec.structs.replace(video, stream=first) if video else None
    if planned.remuxed_key and len(streams.sounds) >= len(audio):
        heard = streams.sounds
        if len(heard) > len(audio):
            # Those of which nothing decodes are left out.
            heard = tuple(number for number in heard if _is_heard(source, number))
        audio = tuple(
            msgspec.structs.replace(track, stream=number)
            for track, number in zip(audio, heard, strict=False)
        )
    elif planned.remuxed_key:
        audio = tuple(msgspec.structs.replace(track, stream=None) for track in audio)
    seconds = min(_MOST_SECONDS, planned.source.duration_ms / 1000 + _BEYOND_SECONDS)
    if video is None or not planned.renditions or planned.picture_key is not None:
        return _Tracks(None, audio, seconds)
    size = planned.renditions[-1]
    shape = _shape(size)
    # A copy that was made by decoding the source shows each of its fields.
    taken_apart = made.attempts > 1 and 1.5 * streams.rate < Fraction(size.frame_rate)
    apart = video.interlaced or (taken_apart and streams.rate > 0)
    field = "bwdif=mode=send_field:deint=interlaced," if apart else ""
    # Shape of pixels first: the output has square ones.
    square = "scale='trunc(iw*max(sar,1))':'trunc(ih/min(sar,1))',setsar=1"
    # Borders are where they are in the rendition, also between two pixels of the small picture: at
    # even pixels, whatever the source's format.
    middle = "trunc((ow-iw)/4)*2:trunc((oh-ih)/4)*2"
    bordered = f"{_fit(size.width, size.height)},pad={size.width}:{size.height}:{middle}"
    small = f"scale={shape[0]}:{shape[1]}:flags=bicubic,setsar=1,format=gray"
    first = f"{_own_shapes(source, _picture(video), made)}{field}{square}"
    shown = f"{first},{bordered},{small},trim=end={seconds}"
    return _Tracks(video, audio, seconds, shape, shown)


def _own_shapes(source: Path, stream: str, made: Processed) -> str:
    """The filter that gives parts of other sizes the shape of pixels that they state: plain ffmpeg
    shows all in that of the first."""
    told = shapes(source, stream.partition(":")[2]) if made.attempts > 1 else {}
    video = made.planned.source.video
    if len(set(told.values())) < 2 or (video is not None and video.rotation % 90):
        return ""
    sums = (f"eq(w,{w})*eq(h,{h})*{shape}" for (w, h), shape in told.items())
    return f"setsar='{'+'.join(sums)}',"


def _is_heard(source: Path, stream: int) -> bool:
    options = ["-i", str(source), "-map", f"0:{stream}", "-frames:a", "1", "-f", "s16le", "-"]
    try:
        return bool(_run(options))
    except subprocess.CalledProcessError:
        return False


def _decode_to(target: Path, source: Path, tracks: _Tracks) -> None:
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
    between: Path, tracks: _Tracks, rate: Fraction | None, folder: Path, *, from_zero: bool
) -> Reference:
    """What was decoded together, at a constant rate: pictures and each sound track.

    ``from_zero``: the first of them is at 0. Else both may begin later than the file.
    """
    arguments = [*(() if from_zero else ("-copyts",)), "-i", str(between)]
    file, all_of_them = folder / "reference.gray", folder / "reference-all.gray"
    if tracks.video is not None:
        clock = f"fps={rate}:start_time=0:round=near"
        arguments += ["-map", "0:v", "-vf", clock, "-fps_mode", "passthrough"]
        arguments += ["-f", "rawvideo", str(file)]
        arguments += ["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", str(all_of_them)]
    heard = [folder / f"reference-{number}.f32" for number in range(len(tracks.audio))]
    for number, target in enumerate(heard):
        clock = f"aresample={SOUND_RATE}:async=1:first_pts=0"
        arguments += ["-map", f"0:a:{number}", "-af", clock, "-ac", "1", "-f", "f32le", str(target)]
    _run(arguments)
    sounds = tuple(np.fromfile(target, dtype=np.float32) for target in heard)
    if tracks.video is None:
        return Reference(None, sounds)
    pictures = _as_pictures(file.read_bytes(), tracks.shape)
    every = _as_pictures(all_of_them.read_bytes(), tracks.shape)
    # The only picture of a file may not say how long it is shown.
    return Reference(pictures if len(pictures) else every, sounds, every)


def _in_order(source: Path, track: AudioTrack, tracks: _Tracks) -> Samples:
    """A sound track's samples one after the other, whatever their times."""
    layout = "mono" if track.channels == 1 else "stereo"
    # In floating point, as above: mixed as integers, six channels would be made quieter.
    steps = f"aformat=sample_fmts=fltp:channel_layouts={layout},aresample={SOUND_RATE}"
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
    return answer
