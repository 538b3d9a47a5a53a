"""The comparison notices each kind of wrong result that a video has had."""

from collections.abc import Callable

import numpy as np
import pytest

from shared.contracts import Rendition
from tests.media.decoding import Pictures, Samples
from tests.media.oracle import compare_pictures, compare_sound

_RATE = 8000
_RENDITION = Rendition(name="240p", width=96, height=56, frame_rate="25/1")


@pytest.fixture
def film() -> Pictures:
    """Three seconds of a bright square that wanders over a gradient."""
    frames = np.tile(np.linspace(20, 120, 96).astype(np.uint8), (75, 56, 1))
    for number, frame in enumerate(frames):
        frame[8 + number // 4 : 28 + number // 4, number : number + 20] = 230
    return frames


@pytest.fixture
def song() -> Samples:
    """Four seconds: a tone of 440 Hz, then one of 880 Hz."""
    low, high = (np.sin(2 * np.pi * f * np.arange(2 * _RATE) / _RATE) for f in (440, 880))
    return (0.4 * np.concatenate([low, high])).astype(np.float32)


def test_the_same_is_the_same(film: Pictures, song: Samples) -> None:
    assert compare_pictures("240p", film, film, _RENDITION) == []
    assert compare_sound("audio-0", song, song) == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda f: f[:, ::-1], id="upside down"),
        pytest.param(lambda f: f[:, :, ::-1], id="mirrored"),
        pytest.param(lambda f: f[:40], id="cut short"),
        pytest.param(lambda f: np.concatenate([f[:30], f[30:31].repeat(45, 0)]), id="frozen"),
        pytest.param(lambda f: np.concatenate([f[:1].repeat(10, 0), f[:-10]]), id="late"),
        pytest.param(lambda f: f[::2].repeat(2, 0)[:75] * 0, id="black"),
        pytest.param(lambda f: f[:, 14:42].repeat(2, 1), id="stretched"),
    ],
)
def test_wrong_pictures_are_noticed(damage: Callable[[Pictures], Pictures], film: Pictures) -> None:
    assert compare_pictures("240p", damage(film), film, _RENDITION)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda s: s[:-_RATE], id="cut short"),
        pytest.param(lambda s: s * 0, id="silent"),
        pytest.param(
            lambda s: np.concatenate([s[:_RATE], s[:_RATE] * 0, s[_RATE:-_RATE]]), id="gap"
        ),
        pytest.param(lambda s: s[::2].repeat(2)[: len(s)] * 3, id="too loud"),
        pytest.param(lambda s: np.concatenate([s[::2], s[::2]]), id="an octave up"),
    ],
)
def test_wrong_sound_is_noticed(damage: Callable[[Samples], Samples], song: Samples) -> None:
    assert compare_sound("audio-0", damage(song), song)
