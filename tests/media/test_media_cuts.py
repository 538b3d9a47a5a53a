"""What is cut short plays as far as it goes, and what begins anywhere plays from there."""

from pathlib import Path

import pytest

from tests.media.made_cuts import CUT, OPEN_ENDED
from tests.media.oracle import differences
from tests.media.pipeline import process


@pytest.mark.parametrize("kind", CUT)
async def test_what_is_cut_short_plays_as_far_as_it_goes(kind: str, tmp_path: Path) -> None:
    source = CUT[kind](tmp_path)

    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path) == []
    (note,) = (note for note in video.planned.source.notes if note.code == "ends_early")
    assert note.text.startswith("The file says that it lasts 0:06, but it ends at 0:03.")


@pytest.mark.parametrize("kind", OPEN_ENDED)
async def test_a_file_may_begin_and_end_anywhere(kind: str, tmp_path: Path) -> None:
    source = OPEN_ENDED[kind](tmp_path)

    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path) == []
    assert video.planned.source.notes == ()


async def test_bytes_before_a_file_are_no_part_of_it(tmp_path: Path) -> None:
    plain = OPEN_ENDED["mp4 with an empty edit"](tmp_path)
    source = tmp_path / "b.mp4"
    # The index counts from the beginning of the file as it was.
    source.write_bytes(b"\0\0\0\x10free" + bytes(8) + plain.read_bytes())

    video = await process(source, tmp_path / "media")

    assert differences(plain, video, tmp_path) == []
