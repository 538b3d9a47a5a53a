"""What phones, cameras, recorders and browsers write plays as plain ffmpeg decodes it."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.media.decoding import decode_video
from tests.media.made_devices import AVIF, DEVICES
from tests.media.made_joins import JOINS
from tests.media.oracle import differences
from tests.media.pipeline import process

ALL = DEVICES | JOINS
# A video shows the picture of one program, and ffmpeg reads on into no short file of Flash.
_TOLD = {
    "two programs": ["picture_left_out"],
    "flv, sound of another rate": ["rest_left_out"],
    "flv, sound longer than its picture": ["rest_left_out"],
}


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_plays_as_plain_ffmpeg_decodes_it(kind: str, tmp_path: Path) -> None:
    source = ALL[kind](tmp_path)
    video = await process(source, tmp_path / "media")
    assert differences(source, video, tmp_path) == []
    codes = [note.code for note in video.planned.source.notes]
    assert codes == _TOLD.get(kind, [])


async def test_an_image_sequence_plays_and_not_its_still(tmp_path: Path) -> None:
    video = await process(AVIF(tmp_path), tmp_path / "media")
    assert video.failure is None
    (rendition,) = video.planned.renditions
    assert Fraction(rendition.frame_rate) == 10
    assert len(decode_video(video, tmp_path).pictures[rendition.name]) == 30
    assert video.planned.source.notes == ()
