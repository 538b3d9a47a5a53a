"""Every kind of file plays as plain ffmpeg decodes it: length, frames, pictures, sound, poster."""

from pathlib import Path

import pytest

from tests.media.made_changes import CHANGES
from tests.media.made_files import FILES, ORDINARY
from tests.media.made_moments import MOMENTS
from tests.media.made_pictures import MEASURED, PICTURES
from tests.media.oracle import differences
from tests.media.pipeline import process

# The others are compared where more of them is measured.
_PICTURES = {kind: PICTURES[kind] for kind in PICTURES if kind not in MEASURED}
ALL = FILES | _PICTURES | CHANGES | MOMENTS


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_plays_as_plain_ffmpeg_decodes_it(kind: str, tmp_path: Path) -> None:
    source = ALL[kind](tmp_path)

    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path) == []
    # Nothing ordinary is read twice, and encoded twice.
    assert video.attempts == 1 or kind not in ORDINARY
