"""A few files of the grammar. `make fuzz-media` tries as many as one likes, with any seed."""

from pathlib import Path

import pytest

from tests.media.fuzz import examine
from tests.media.grammar import recipe

_SEED = 2
_FILES = 60
# Files of other seeds: most of the first one's pictures do not decode, the second one's sounds
# begin at different times, the third one is two recordings of reordered pictures, the next one's
# late sound is in long packets, and the last one's pictures are small and change at once.
_OTHERS = [(735501, 29), (735501, 23), (560817, 5), (517733, 80), (517733, 100)]


@pytest.mark.parametrize(("seed", "number"), [*((_SEED, n) for n in range(_FILES)), *_OTHERS])
async def test_a_file_plays_or_is_refused_for_a_reason(
    seed: int, number: int, tmp_path: Path
) -> None:
    made = recipe(seed, number)

    wrong = await examine(made, tmp_path)

    # None: this ffmpeg does not make the file.
    assert not wrong, f"make fuzz-media SEED={seed} ONLY={number}"
