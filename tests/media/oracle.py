"""Compares a finished video with what plain ffmpeg decodes of its source.

Both are decoded to small grey pictures at the video's frame rate, and to mono sound at 8 kHz. A
difference is a sentence; a video without one has all that its source has, and shows and sounds as
it does.
"""

import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from services.transcoder.domain.state import audio_name
from shared.contracts import Rendition, TranscodePlanned
from tests.media.completeness import lacking
from tests.media.decoding import (
    PLAYED_OUT,
    SOUND_RATE,
    Decoded,
    Pictures,
    Reference,
    Samples,
    decode_source,
    decode_video,
)
from tests.media.pipeline import Processed
from tests.media.source_streams import source_streams

Frequencies = np.ndarray[Any, np.dtype[np.float64]]
Similarities = np.ndarray[Any, np.dtype[np.float64]]
_Floats = np.ndarray[Any, np.dtype[np.float32]]

# Similarity of a frame with the source's frame at that time. Encodes of the test pictures have 0.89
# and more; the frame five places later, or another orientation, has less than 0.4.
_ALIKE: Final = 0.6
_OF_FRAMES: Final = 0.97
# Frames by which a constant frame rate may show a picture earlier or later.
_NEAR: Final = 1
_LENGTH_SECONDS: Final = 0.2
# The last picture may be shown so long.
_LAST_SECONDS: Final = 1.0
# Pictures that are compared at once, because each takes 30 times its size then.
_TOGETHER: Final = 256

# Sound is compared in windows of this length.
_WINDOW: Final = SOUND_RATE // 5
_SILENT: Final = 0.004
_LOUDER: Final = 2.0
# Samples by which sound may begin or end earlier or later: a frame of its codec is longer.
_MOVED: Final = SOUND_RATE // 40
_PITCH_HZ: Final = 12.0


def differences(source: Path, made: Processed, folder: Path) -> list[str]:
    """How a video differs from its source, in words; empty where it does not."""
    if made.failure is not None:
        return [f"failed: {made.failure.code}: {made.failure.reason} {made.failure.detail}"]
    streams = source_streams(source)
    reference = decode_source(source, streams, made, folder)
    try:
        decoded = decode_video(made, folder)
        return [*lacking(streams, made), *_differences(made, decoded, reference)]
    except subprocess.CalledProcessError as error:
        return [f"cannot be decoded: {error.stderr.decode(errors='replace')}"]


def _differences(made: Processed, decoded: Decoded, reference: Reference) -> list[str]:
    planned = made.planned
    found: list[str] = []
    smallest = None
    for rendition in planned.renditions:
        pictures = decoded.pictures[rendition.name]
        if reference.pictures is not None:
            wanted = _shown_on(reference.pictures, pictures, planned)
            found += compare_pictures(rendition.name, pictures, wanted, rendition)
        if smallest is not None and len(smallest) != len(pictures):
            found.append(f"{rendition.name}: {len(pictures)} frames, not {len(smallest)}")
        smallest = pictures
    # The picture of sound alone is as long as it must be.
    shown = Fraction(max(map(len, reference.sounds), default=0), SOUND_RATE)
    if smallest is not None and reference.pictures is not None:
        shown = len(smallest) / Fraction(planned.renditions[0].frame_rate)
    for track, sound in zip(planned.audio, reference.sounds, strict=True):
        name = audio_name(track.index)
        if name in decoded.sounds:
            found += compare_sound(name, decoded.sounds[name], _until(sound, float(shown)))
        elif len(sound) > _LENGTH_SECONDS * SOUND_RATE:
            found.append(f"{name}: no sound")
    if reference.every is not None:
        found += _poster(made, reference.every)
    elif planned.renditions:
        longest = max(len(sound) for sound in reference.sounds) / SOUND_RATE
        found += _still(planned.renditions, decoded, longest)
    return found


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


def similarity(one: Pictures, other: Pictures) -> Similarities:
    """Structural similarity of each pair of pictures over blocks of 8 × 8 (Wang et al. 2004).

    It is the mean of the fifth of the blocks that differ most: what moves is often a small part.
    ``one`` may be a single picture, for all pairs.
    """
    parts = [
        _similarity(one if len(one) == 1 else one[part], other[part]) for part in _parts(len(other))
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _parts(count: int) -> Iterator[slice]:
    for first in range(0, count, _TOGETHER):
        yield slice(first, first + _TOGETHER)


def _similarity(one: Pictures, other: Pictures) -> Similarities:
    a, b = _blocks(one), _blocks(other)
    mean_a, mean_b = a.mean(axis=-1), b.mean(axis=-1)
    var_a, var_b = a.var(axis=-1), b.var(axis=-1)
    both = ((a - mean_a[..., None]) * (b - mean_b[..., None])).mean(axis=-1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    upper = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    lower = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    blocks = np.sort((upper / lower).reshape(len(b), -1), axis=1)
    return blocks[:, : max(1, blocks.shape[1] // 5)].mean(axis=1).astype(np.float64)


def compare_sound(name: str, made: Samples, wanted: Samples) -> list[str]:
    """How a sound track differs in length, loudness and pitch from the source's."""
    found: list[str] = []
    seconds, expected = len(made) / SOUND_RATE, len(wanted) / SOUND_RATE
    if abs(seconds - expected) > _LENGTH_SECONDS:
        found.append(f"{name}: {seconds:.2f} s of sound, the source has {expected:.2f} s")
    count = min(len(made), len(wanted)) // _WINDOW
    if not count:
        return found
    a = made[: count * _WINDOW].reshape(count, _WINDOW)
    b = wanted[: count * _WINDOW].reshape(count, _WINDOW)
    loud_a, loud_b = _loudness(a), _loudness(b)
    heard = (loud_a > _SILENT) | (loud_b > _SILENT)
    wrong = heard & _louder(loud_a, loud_b)
    for shift in (-_MOVED, _MOVED):
        moved = np.roll(b.ravel(), shift).reshape(b.shape)
        wrong &= _louder(loud_a, _loudness(moved))
    if wrong.sum() > 1 + heard.sum() * 0.05:
        first = int(np.flatnonzero(wrong)[0]) * _WINDOW / SOUND_RATE
        found.append(f"{name}: louder or quieter than the source from {first:.1f} s on")
    pitch = np.abs(_pitch(a) - _pitch(b))
    clear = (loud_a > 4 * _SILENT) & (loud_b > 4 * _SILENT)
    off = clear & (pitch > _PITCH_HZ)
    if off.sum() > 1 + clear.sum() * 0.05:
        first = int(np.flatnonzero(off)[0]) * _WINDOW / SOUND_RATE
        found.append(f"{name}: another pitch than the source from {first:.1f} s on")
    return found


def _loudness(windows: Samples) -> Samples:
    return np.sqrt((windows**2).mean(axis=1))


def _louder(one: Samples, other: Samples) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each of ``one`` is much louder or quieter than that of ``other``."""
    ratio = (one + _SILENT) / (other + _SILENT)
    return (ratio > _LOUDER) | (ratio < 1 / _LOUDER)


def _shown_on(wanted: Pictures, made: Pictures, planned: TranscodePlanned) -> Pictures:
    """A source's pictures, of which the last is shown as long as the container says.

    What ffmpeg decodes does not say how long that is; it is at most as long as any.
    """
    video = planned.source.video
    longest = min(_LAST_SECONDS, video.longest_frame_ms / 1000 if video else 0.0)
    most = round(longest * Fraction(planned.renditions[0].frame_rate))
    missing = min(most, len(made) - len(wanted))
    return np.concatenate([wanted, wanted[-1:].repeat(max(0, missing), 0)])


def _until(sound: Samples, seconds: float) -> Samples:
    """Sound, followed by silence where the picture goes on for long."""
    missing = round((seconds - PLAYED_OUT / 2) * SOUND_RATE) - len(sound)
    return np.concatenate([sound, np.zeros(max(0, missing))]).astype(np.float32)


def _still(renditions: Sequence[Rendition], decoded: Decoded, seconds: float) -> list[str]:
    """What is wrong with the picture of a source of sound alone: it is the same all the time."""
    found: list[str] = []
    for rendition in renditions:
        pictures, rate = decoded.pictures[rendition.name], Fraction(rendition.frame_rate)
        if abs(len(pictures) - seconds * rate) > max(1, rate * PLAYED_OUT):
            found.append(f"{rendition.name}: {len(pictures)} frames for {seconds:.1f} s")
        if similarity(pictures[:1], pictures).min(initial=1.0) < _ALIKE:
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
    shown = np.asarray(small, dtype=np.uint8)[None]
    best = float(similarity(shown, wanted).max(initial=-1.0))
    return [] if best >= _ALIKE else [f"the poster is none of the source's pictures ({best:.2f})"]


def _blocks(pictures: Pictures) -> _Floats:
    count, height, width = pictures.shape
    down, across = height // 8, width // 8
    cut = pictures[:, : down * 8, : across * 8].astype(np.float32)
    cut = cut.reshape(count, down, 8, across, 8)
    return cut.transpose(0, 1, 3, 2, 4).reshape(count, down, across, 64)


def _pitch(windows: Samples) -> Frequencies:
    """The strongest frequency of each window in Hz."""
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(windows.shape[1]), axis=1))
    return (spectrum.argmax(axis=1) * SOUND_RATE / windows.shape[1]).astype(np.float64)
