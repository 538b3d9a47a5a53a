"""Compares a finished video with what plain ffmpeg decodes of its source.

Both are decoded to small grey pictures at the video's frame rate, and to mono sound at 8 kHz. A
difference is a sentence; a video without one shows and sounds as its source does.
"""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from PIL import Image

from services.transcoder.domain import audio_name
from services.transcoder.planning.ending import GUESSED
from shared.contracts import AudioTrack, Rendition, VideoTrack
from shared.programs.finding import find_ffmpeg
from tests.media.pipeline import Processed

Pictures = np.ndarray[Any, np.dtype[np.float32]]
Samples = np.ndarray[Any, np.dtype[np.float32]]
Frequencies = np.ndarray[Any, np.dtype[np.float64]]

# Pixels on the longer side of the pictures that are compared.
_SIDE: Final = 96
_SOUND_RATE: Final = 8000
_TIMEOUT: Final = 600

# Similarity of a frame with the source's frame at that time. Encodes of the test pictures have 0.89
# and more; the frame five places later, or another orientation, has less than 0.4.
_ALIKE: Final = 0.6
_OF_FRAMES: Final = 0.97
# Frames by which a constant frame rate may show a picture earlier or later.
_NEAR: Final = 1
_LENGTH_SECONDS: Final = 0.2
# Sound that is so much longer than the picture is played out over its last frame.
_PLAYED_OUT: Final = 1.0
# Containers that ffmpeg reads on where a second file follows, whose times begin again; the number
# of pictures that may be dropped elsewhere.
_RESTARTING: Final = frozenset(("flv", "matroska"))
_FEW: Final = 5

# Sound is compared in windows of this length.
_WINDOW: Final = _SOUND_RATE // 5
_SILENT: Final = 0.004
_LOUDER: Final = 2.0
_PITCH_HZ: Final = 12.0


class Reference(msgspec.Struct, frozen=True):
    """What plain ffmpeg decodes: pictures at the output's rate, and each sound track."""

    pictures: Pictures | None
    sounds: tuple[Samples, ...]


def differences(source: Path, made: Processed, folder: Path) -> list[str]:
    """How a video differs from its source, in words; empty where it does not."""
    if made.failure is not None:
        return [f"failed: {made.failure.code}: {made.failure.reason} {made.failure.detail}"]
    reference = decode_source(source, made, folder)
    try:
        return _differences(made, reference)
    except subprocess.CalledProcessError as error:
        return [f"cannot be decoded: {error.stderr.decode(errors='replace')}"]


def _differences(made: Processed, reference: Reference) -> list[str]:
    planned = made.planned
    found: list[str] = []
    smallest = None
    for rendition in planned.renditions:
        pictures = decode_rendition(made, rendition)
        if reference.pictures is not None:
            found += compare_pictures(rendition.name, pictures, reference.pictures, rendition)
        if smallest is not None and len(smallest) != len(pictures):
            found.append(f"{rendition.name}: {len(pictures)} frames, not {len(smallest)}")
        smallest = pictures
    shown = 0.0 if smallest is None else len(smallest) / Fraction(planned.renditions[0].frame_rate)
    for track, sound in zip(planned.audio, reference.sounds, strict=True):
        name = audio_name(track.index)
        wanted = _until(sound, float(shown))
        if made.state.audio[name].segments:
            found += compare_sound(name, decode_sound(made, track), wanted)
        elif len(sound) > _LENGTH_SECONDS * _SOUND_RATE:
            found.append(f"{name}: no sound")
    if reference.pictures is not None:
        found += _poster(made, reference.pictures)
    elif planned.renditions:
        found += _still(made, max(len(sound) for sound in reference.sounds) / _SOUND_RATE)
    return found


def decode_source(source: Path, made: Processed, folder: Path) -> Reference:
    """Decode a source's tracks in one ordinary run, so that ffmpeg keeps them together."""
    planned = made.planned
    video, audio = planned.source.video, planned.audio
    if planned.remuxed_key:
        # The numbers of streams are those of the copy.
        video = msgspec.structs.replace(video, stream=None) if video else None
        audio = tuple(msgspec.structs.replace(track, stream=None) for track in audio)
    between = folder / "reference.nut"
    arguments = ["-i", str(source), "-map_metadata", "-1"]
    shape = None
    if video is not None and planned.renditions and planned.picture_key is None:
        shape = _shape(planned.renditions[-1])
        fit = _fit(*shape)
        arguments += ["-map", _picture(video), "-c:v", "rawvideo", "-fps_mode", "vfr"]
        field = "bwdif=mode=send_field:deint=interlaced," if video.interlaced else ""
        # Shape of pixels first: the output has square ones.
        square = "scale='trunc(iw*max(sar,1))':'trunc(ih/min(sar,1))',setsar=1"
        pad = f"pad={shape[0]}:{shape[1]}:-1:-1"
        shown = f"{field}{square},{fit},{pad},setsar=1,format=gray"
        arguments += ["-vf", shown]
        if planned.source.container in _RESTARTING:
            every = _pictures(source, shape, ["-map", _picture(video), "-vf", shown])
            if len(every) > _count(source, video) + _FEW:
                # Times begin again on the way: all is shown one after the other.
                return Reference(every, tuple(_in_order(source, track) for track in audio))
    for number, track in enumerate(audio):
        mixed = [f"-ac:a:{number}", str(min(2, track.channels))]
        if track.unplaced:
            # ffmpeg does not mix them.
            mixed = [f"-filter:a:{number}", "pan=stereo|c0=c0|c1=c1"]
        arguments += ["-map", _sound(track), *mixed]
    if audio:
        arguments += ["-c:a", "pcm_f32le", "-ar", str(_SOUND_RATE)]
    _run([*arguments, "-f", "nut", str(between)])
    pictures = None
    if shape is not None:
        rate = Fraction(planned.renditions[0].frame_rate)
        clock = f"fps={rate}:start_time=0:round=near"
        pictures = _pictures(between, shape, ["-map", "0:v", "-vf", clock])
        if not len(pictures):
            # The only picture of a file that does not say how long it is shown.
            pictures = _pictures(between, shape, ["-map", "0:v"])
    if planned.source.container in GUESSED:
        # Times of a stream without a container are only guessed: its samples are laid end to end.
        sounds = [_in_order(source, track) for track in audio]
    else:
        sounds = [_samples(between, ["-map", f"0:a:{number}"]) for number in range(len(audio))]
    if pictures is not None and sounds:
        longest = max(len(sound) for sound in sounds) / _SOUND_RATE
        pictures = _held(pictures, longest, Fraction(planned.renditions[0].frame_rate))
    return Reference(pictures, tuple(sounds))


def decode_rendition(made: Processed, rendition: Rendition) -> Pictures:
    """A rendition's frames, each one as often as it is stored."""
    shape = _shape(made.planned.renditions[-1])
    scale = f"scale={shape[0]}:{shape[1]}:flags=bicubic,format=gray"
    clock = f"fps={Fraction(rendition.frame_rate)}:start_time=0:round=near,"
    filters = ["-vf", f"{clock if rendition.passthrough else ''}{scale}"]
    return _pictures(made.playlist(rendition.name), shape, ["-map", "0:v", *filters])


def decode_sound(made: Processed, track: AudioTrack) -> Samples:
    """A sound track's samples from time 0 on."""
    # Every sample that players decode: times that disagree with them must not hide any.
    return _samples(made.playlist(audio_name(track.index)), ["-map", "0:a"], clock="")


def compare_pictures(
    name: str, made: Pictures, wanted: Pictures, rendition: Rendition
) -> list[str]:
    """How a rendition's pictures differ from the source's at the same times."""
    found: list[str] = []
    rate = float(Fraction(rendition.frame_rate))
    if abs(len(made) - len(wanted)) > max(2, rate * _LENGTH_SECONDS):
        found.append(f"{name}: {len(made)} frames, the source has {len(wanted)} at {rate:.3f}/s")
    count = min(len(made), len(wanted))
    if not count:
        return [*found, f"{name}: no frames"]
    best = np.full(count, -1.0)
    for shift in range(-_NEAR, _NEAR + 1):
        places = np.clip(np.arange(count) + shift, 0, len(wanted) - 1)
        best = np.maximum(best, similarity(made[:count], wanted[places]))
    wrong = np.flatnonzero(best < _ALIKE)
    if len(wrong) > count * (1 - _OF_FRAMES) + 1:
        first, worst = int(wrong[0]), float(best.min())
        found.append(
            f"{name}: {len(wrong)} of {count} frames are not the source's, from"
            f" {first / rate:.2f} s on (similarity down to {worst:.2f})"
        )
    return found


def similarity(one: Pictures, other: Pictures) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Structural similarity of each pair of pictures over blocks of 8 × 8 (Wang et al. 2004).

    It is the mean of the fifth of the blocks that differ most: what moves is often a small part.
    """
    a, b = _blocks(one), _blocks(other)
    mean_a, mean_b = a.mean(axis=-1), b.mean(axis=-1)
    var_a, var_b = a.var(axis=-1), b.var(axis=-1)
    both = ((a - mean_a[..., None]) * (b - mean_b[..., None])).mean(axis=-1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    upper = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    lower = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    blocks = np.sort((upper / lower).reshape(len(a), -1), axis=1)
    return blocks[:, : max(1, blocks.shape[1] // 5)].mean(axis=1).astype(np.float64)


def compare_sound(name: str, made: Samples, wanted: Samples) -> list[str]:
    """How a sound track differs in length, loudness and pitch from the source's."""
    found: list[str] = []
    seconds, expected = len(made) / _SOUND_RATE, len(wanted) / _SOUND_RATE
    if abs(seconds - expected) > _LENGTH_SECONDS:
        found.append(f"{name}: {seconds:.2f} s of sound, the source has {expected:.2f} s")
    count = min(len(made), len(wanted)) // _WINDOW
    if not count:
        return found
    a = made[: count * _WINDOW].reshape(count, _WINDOW)
    b = wanted[: count * _WINDOW].reshape(count, _WINDOW)
    loud_a, loud_b = np.sqrt((a**2).mean(axis=1)), np.sqrt((b**2).mean(axis=1))
    heard = (loud_a > _SILENT) | (loud_b > _SILENT)
    ratio = (loud_a + _SILENT) / (loud_b + _SILENT)
    wrong = heard & ((ratio > _LOUDER) | (ratio < 1 / _LOUDER))
    if wrong.sum() > 1 + heard.sum() * 0.05:
        first = int(np.flatnonzero(wrong)[0]) * _WINDOW / _SOUND_RATE
        found.append(f"{name}: louder or quieter than the source from {first:.1f} s on")
    pitch = np.abs(_pitch(a) - _pitch(b))
    clear = (loud_a > 4 * _SILENT) & (loud_b > 4 * _SILENT)
    off = clear & (pitch > _PITCH_HZ)
    if off.sum() > 1 + clear.sum() * 0.05:
        first = int(np.flatnonzero(off)[0]) * _WINDOW / _SOUND_RATE
        found.append(f"{name}: another pitch than the source from {first:.1f} s on")
    return found


def _held(pictures: Pictures, seconds: float, rate: Fraction) -> Pictures:
    """The pictures of a film; where its sound goes on, the last one is held."""
    missing = round(seconds * rate) - len(pictures)
    if missing <= rate * _PLAYED_OUT:
        return pictures
    return np.concatenate([pictures, pictures[-1:].repeat(missing, 0)])


def _until(sound: Samples, seconds: float) -> Samples:
    """Sound, followed by silence where the picture goes on for long."""
    missing = round((seconds - _PLAYED_OUT / 2) * _SOUND_RATE) - len(sound)
    return np.concatenate([sound, np.zeros(max(0, missing))]).astype(np.float32)


def _still(made: Processed, seconds: float) -> list[str]:
    """What is wrong with the picture of a source of sound alone: it is the same all the time."""
    found: list[str] = []
    for rendition in made.planned.renditions:
        pictures, rate = decode_rendition(made, rendition), Fraction(rendition.frame_rate)
        if abs(len(pictures) - seconds * rate) > max(1, rate * _PLAYED_OUT):
            found.append(f"{rendition.name}: {len(pictures)} frames for {seconds:.1f} s")
        if similarity(pictures, pictures[:1].repeat(len(pictures), 0)).min() < _ALIKE:
            found.append(f"{rendition.name}: the picture changes")
    return found


def _poster(made: Processed, wanted: Pictures) -> list[str]:
    """Whether the poster is one of the source's pictures, the right way up."""
    images = made.state.images
    if images is None or images.poster_key is None:
        return ["no poster"]
    height, width = wanted.shape[1:]
    with Image.open(made.folder / images.poster_key) as picture:
        small = picture.convert("L").resize((width, height), Image.Resampling.BICUBIC)
    shown = np.repeat(np.asarray(small, dtype=np.float32)[None], len(wanted), axis=0)
    best = float(similarity(shown, wanted).max())
    return [] if best >= _ALIKE else [f"the poster is none of the source's pictures ({best:.2f})"]


def _blocks(pictures: Pictures) -> Pictures:
    count, height, width = pictures.shape
    down, across = height // 8, width // 8
    cut = pictures[:, : down * 8, : across * 8].reshape(count, down, 8, across, 8)
    return cut.transpose(0, 1, 3, 2, 4).reshape(count, down, across, 64)


def _pitch(windows: Samples) -> Frequencies:
    """The strongest frequency of each window in Hz."""
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(windows.shape[1]), axis=1))
    return (spectrum.argmax(axis=1) * _SOUND_RATE / windows.shape[1]).astype(np.float64)


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


def _pictures(source: Path, shape: tuple[int, int], options: Sequence[str]) -> Pictures:
    raw = _run(["-i", str(source), *options, "-fps_mode", "passthrough", "-f", "rawvideo", "-"])
    width, height = shape
    count = len(raw) // (width * height)
    data = np.frombuffer(raw, dtype=np.uint8, count=count * width * height)
    return data.reshape(count, height, width).astype(np.float32)


def _samples(source: Path, options: Sequence[str], clock: str = ":async=1:first_pts=0") -> Samples:
    """A sound track's samples; ``clock``: how gaps in its times are filled."""
    clock = f"aresample={_SOUND_RATE}{clock}"
    raw = _run(["-i", str(source), *options, "-af", clock, "-ac", "1", "-f", "f32le", "-"])
    return np.frombuffer(raw, dtype=np.float32)


def _count(source: Path, video: VideoTrack) -> int:
    """How many of a source's pictures have a time of their own, after those before."""
    options = ["-map", _picture(video), "-vf", "scale=8:8,format=gray", "-fps_mode", "vfr"]
    return len(_run(["-i", str(source), *options, "-f", "rawvideo", "-"])) // 64


def _in_order(source: Path, track: AudioTrack) -> Samples:
    """A sound track's samples one after the other, whatever their times."""
    layout = "mono" if track.channels == 1 else "stereo"
    steps = f"aformat=channel_layouts={layout},aresample={_SOUND_RATE}"
    mono = ["-map", _sound(track), "-af", steps, "-ac", "1", "-f", "f32le", "-"]
    return np.frombuffer(_run(["-i", str(source), *mono]), dtype=np.float32)


def _run(arguments: Sequence[str]) -> bytes:
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT).stdout
