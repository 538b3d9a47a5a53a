"""Where a mend of the pipeline is taken out, the comparison complains of the file that needed it.

A comparison that finds nothing wrong says little if it cannot. Each row is a kind of file, and what
the pipeline was before that kind was mended.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from services.transcoder.encoding.ffmpeg import copy_packets
from services.transcoder.encoding.ffmpeg_chunks import encode_chunk
from services.transcoder.planning.tracks import Chosen, choose_tracks
from tests.media.made_changes import CHANGES
from tests.media.made_cuts import CUT, OPEN_ENDED
from tests.media.made_files import FILES, VP8, X264, Recipe, joined, made, picture, tone
from tests.media.made_joins import JOINS
from tests.media.made_pictures import PICTURES
from tests.media.oracle import differences
from tests.media.pipeline import process

_TRANSCODER: Final = "services.transcoder"


def _quietly(*given: Any) -> Chosen:
    return msgspec.structs.replace(choose_tracks(*given), notes=())


def _at_the_files_times(*given: Any) -> list[str]:
    return [option for option in encode_chunk(*given) if option != "-start_at_zero"]


def _first_stored(_pictures: object) -> Callable[[Any], int]:
    return lambda stream: stream.index


def _not_turned(*_given: object) -> list[str]:
    return ["sidedata=mode=delete:type=DISPLAYMATRIX"]


def _never(*_given: object, **_named: object) -> bool:
    return False


def _as_if_reordered(*given: Any, **_named: object) -> list[str]:
    return copy_packets(*given)


def _as_it_is(facts: object, _ended: object) -> object:
    return facts


_ALWAYS_NOTHING: Final = property(lambda _: 0, lambda _, __: None)
_ENDLESS: Final = float("inf")
_SHORT_WEBM: Final = (*picture("160x90", seconds=1.5), *VP8)

MENDS: Final[dict[str, tuple[Recipe, dict[str, object]]]] = {
    "a track that is left out is told": (
        FILES["unknown sound before the good one"],
        {f"{_TRANSCODER}.planning.probe_report.choose_tracks": _quietly},
    ),
    "what changes its size is decoded as a whole": (
        CHANGES["size grows"],
        {f"{_TRANSCODER}.domain.decisions.needs_plain": _never},
    ),
    "sound that changes its rate is noticed": (
        CHANGES["sound of another rate"],
        {
            "shared.programs.process._CHANGED": b"never said",
            f"{_TRANSCODER}.worker.task_audio._MOST_AHEAD": _ENDLESS,
            f"{_TRANSCODER}.worker.source_copy._changes_rate": _never,
        },
    ),
    "recordings that follow are noticed": (
        joined("a.webm", *2 * (_SHORT_WEBM,)),
        {f"{_TRANSCODER}.planning.probe_report.Extent.back": _ALWAYS_NOTHING},
    ),
    "recordings that follow begin together": (
        JOINS["webm, sound longer than its picture"],
        {f"{_TRANSCODER}.planning.joins.Recordings.joins": property(lambda _: ())},
    ),
    "pictures without times of their own keep those of packets": (
        FILES["avi with pictures left out"],
        {f"{_TRANSCODER}.encoding.ffmpeg.copy_packets": _as_if_reordered},
    ),
    "the last picture is held": (
        made("a.mp4", *picture("160x90", seconds=1), *tone(seconds=4), *X264, "-c:a", "aac"),
        {f"{_TRANSCODER}.encoding.probe._HOLD_SECONDS": _ENDLESS},
    ),
    "mirrored pictures are mirrored": (
        PICTURES["mirrored"],
        {f"{_TRANSCODER}.encoding.ffmpeg_chunks.turn": _not_turned},
    ),
    "what begins late begins at 0": (
        OPEN_ENDED["mkv from 12 s"],
        {f"{_TRANSCODER}.worker.task_video.encode_chunk": _at_the_files_times},
    ),
    "pictures without times are all shown": (
        PICTURES["avi without times"],
        {f"{_TRANSCODER}.planning.probe_report.Extent.untimed": _ALWAYS_NOTHING},
    ),
    "an early end is told": (
        CUT["mkv, cut"],
        {f"{_TRANSCODER}.encoding.probe.with_note": _as_it_is},
    ),
    "the default picture is shown": (
        FILES["second picture is the default"],
        {f"{_TRANSCODER}.planning.tracks._rank": _first_stored},
    ),
    "pictures between two rungs keep their size": (
        made("a.avi", *picture("560x314", rate="5", seconds=1), "-c:v", "mpeg4"),
        {f"{_TRANSCODER}.planning.ladder._MARGIN": Fraction(100)},
    ),
}


@pytest.mark.parametrize("mend", MENDS)
async def test_a_mend_that_is_taken_out_is_missed(
    mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, before = MENDS[mend]
    source = recipe(tmp_path)
    for name, old in before.items():
        monkeypatch.setattr(name, old, raising=not isinstance(old, property))

    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path)
