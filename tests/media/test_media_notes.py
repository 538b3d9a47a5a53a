"""A video's uploader is told what became of the parts of the file that it does not show."""

from pathlib import Path

import pytest

from tests.media.made_broken import NO_PICTURE, NO_SOUND, REFUSED_SOUND
from tests.media.made_files import FILES, VP8, X264, Recipe, joined, made, picture, tone
from tests.media.made_joins import MANY
from tests.media.oracle import differences
from tests.media.pipeline import process

TWO_PICTURES = made(
    "a.ts",
    *(*picture(), *picture("320x180"), *tone()),
    *("-map", "0:v", "-map", "1:v", "-map", "2:a", *X264, "-t", "1"),
)


def _changed(box: bytes, after: int, new: bytes, *, last: bool) -> Recipe:
    """The recipe of an MP4 with other bytes ``after`` the first or last box of a name."""

    def write(folder: Path) -> Path:
        target = FILES["mp4"](folder)
        data = bytearray(target.read_bytes())
        at = (data.rindex(box) if last else data.index(box)) + after
        data[at : at + len(new)] = new
        target.write_bytes(data)
        return target

    return write


# The sound's track is the last one.
SOUND_WITHOUT_TIMES = _changed(b"stts", 0, b"free", last=True)
# The picture's list of edits shows what lies after its end.
PICTURE_EDITED_AWAY = _changed(b"elst", 16, (1 << 28).to_bytes(4, "big"), last=False)


@pytest.mark.parametrize(
    ("recipe", "codes"),
    [
        (SOUND_WITHOUT_TIMES, ["sound_left_out"]),
        (PICTURE_EDITED_AWAY, ["picture_left_out", "waveform_shown"]),
    ],
)
async def test_a_track_of_which_nothing_decodes_is_told(
    recipe: Recipe, codes: list[str], tmp_path: Path
) -> None:
    video = await process(recipe(tmp_path), tmp_path / "media")
    assert [note.code for note in video.planned.source.notes] == codes


@pytest.mark.parametrize("kind", NO_PICTURE)
async def test_sound_beside_a_broken_picture_plays(kind: str, tmp_path: Path) -> None:
    source = NO_PICTURE[kind](tmp_path)
    video = await process(source, tmp_path / "media")
    assert differences(source, video, tmp_path) == []
    codes = [note.code for note in video.planned.source.notes]
    assert codes == ["picture_left_out", "waveform_shown"]


@pytest.mark.parametrize("kind", NO_SOUND)
async def test_a_picture_beside_broken_sound_plays(kind: str, tmp_path: Path) -> None:
    source = NO_SOUND[kind](tmp_path)
    video = await process(source, tmp_path / "media")
    assert differences(source, video, tmp_path) == []
    assert [note.code for note in video.planned.source.notes] == ["sound_left_out"]


@pytest.mark.parametrize("kind", REFUSED_SOUND)
async def test_a_sound_whose_settings_are_refused_is_left_out(kind: str, tmp_path: Path) -> None:
    """ffprobe describes nothing of such a file."""
    recipe, sounds = REFUSED_SOUND[kind]
    source = recipe(tmp_path)
    video = await process(source, tmp_path / "media")
    assert differences(source, video, tmp_path) == []
    assert len(video.planned.audio) == sounds
    assert {note.code for note in video.planned.source.notes} == {"sound_left_out"}


@pytest.mark.parametrize(
    ("recipe", "code", "words"),
    [
        (FILES["unknown sound before the good one"], "sound_left_out", "Apple Positional Audio"),
        # Tasks read a copy of it, which has the tracks that are used and no others.
        (FILES["mp3 with cover"], "cover_shown", "Its cover"),
        (FILES["m4a with cover"], "cover_shown", "Its cover"),
        (FILES["wav"], "waveform_shown", "picture of its sound"),
        (TWO_PICTURES, "picture_left_out", "192 × 108, H.264"),
    ],
)
async def test_what_is_left_out_is_told(
    recipe: Recipe, code: str, words: str, tmp_path: Path
) -> None:
    source = recipe(tmp_path)
    video = await process(source, tmp_path / "media")
    (note,) = video.planned.source.notes
    assert note.code == code
    assert words in note.text


@pytest.mark.parametrize(
    ("name", "rate", "codes"),
    [
        ("a.ogg", "48000", ["rest_left_out", "waveform_shown"]),
        ("a.ogg", "44100", ["waveform_shown"]),
        ("a.flac", "48000", ["rest_left_out", "waveform_shown"]),
        ("a.flac", "44100", ["waveform_shown"]),
    ],
)
async def test_recordings_of_another_kind_are_told(
    name: str, rate: str, codes: list[str], tmp_path: Path
) -> None:
    # The second one has two channels where it has another rate.
    kind = ("-ar", rate, "-ac", "1" if rate == "44100" else "2")
    codec = ("-c:a", "libvorbis" if name == "a.ogg" else "flac")
    source = joined(name, (*tone(440), *codec), (*tone(880), *kind, *codec))(tmp_path)
    video = await process(source, tmp_path / "media")
    assert [note.code for note in video.planned.source.notes] == codes
    assert video.planned.source.duration_ms == pytest.approx(3000 * (3 - len(codes)), abs=30)


async def test_recordings_after_the_second_are_told(tmp_path: Path) -> None:
    video = await process(MANY(tmp_path), tmp_path / "media")
    assert [note.code for note in video.planned.source.notes] == ["rest_left_out"]
    assert video.planned.source.duration_ms == pytest.approx(2200, abs=100)


_SILENT = picture("160x96", seconds=1)
_SHORT = (*_SILENT, *tone(seconds=1))
FIRST_PLAYED: dict[str, Recipe] = {
    "mp4": joined("a.mp4", *2 * ((*_SHORT, *X264, "-c:a", "aac"),)),
    "mp4 with its tables first": joined(
        "a.mp4", *2 * ((*_SHORT, *X264, "-c:a", "aac", "-movflags", "+faststart"),)
    ),
    "wmv": joined("a.wmv", *2 * ((*_SHORT, "-c:v", "wmv2", "-c:a", "wmav2"),)),
    "wav": joined("a.wav", *2 * (tone(seconds=1),)),
    "w64": joined("a.w64", *2 * (tone(seconds=1),)),
    "caf": joined("a.caf", *2 * (tone(seconds=1),)),
    "wavpack": joined("a.wv", *2 * ((*tone(seconds=1), "-c:a", "wavpack"),)),
    "mp4 in fragments": joined(
        "a.mp4",
        *2 * ((*_SHORT, *X264, "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"),),
    ),
    "apng": joined("a.apng", *2 * (_SILENT,)),
    "ivf": joined("a.ivf", *2 * ((*_SILENT, *VP8),)),
    "y4m": joined("a.y4m", *2 * ((*_SILENT, "-pix_fmt", "yuv420p"),)),
    "wtv": joined("a.wtv", *2 * ((*_SHORT, "-c:v", "mpeg2video", "-c:a", "mp2"),)),
    "mxf": joined("a.mxf", *2 * ((*_SHORT, "-c:v", "mpeg2video", "-ar", "48000"),)),
    "aiff": joined("a.aiff", *2 * (tone(seconds=1),)),
}


@pytest.mark.parametrize("kind", FIRST_PLAYED)
async def test_a_second_recording_that_ffmpeg_does_not_read_is_told(
    kind: str, tmp_path: Path
) -> None:
    source = FIRST_PLAYED[kind](tmp_path)
    video = await process(source, tmp_path / "media")
    assert differences(source, video, tmp_path) == []
    (note,) = (n for n in video.planned.source.notes if n.code == "rest_left_out")
    assert "of which the first is kept" in note.text


# What ffmpeg makes of the place where they are joined is not quite what each of them holds.
_READ_ON: dict[str, Recipe] = {
    "nut": joined("a.nut", *2 * ((*_SHORT, *X264, "-c:a", "pcm_s16le"),)),
    "rm": joined("a.rm", *2 * ((*_SHORT, "-c:v", "rv10", "-c:a", "ac3", "-ar", "48000"),)),
}


@pytest.mark.parametrize("kind", _READ_ON)
async def test_a_second_recording_that_ffmpeg_reads_plays(kind: str, tmp_path: Path) -> None:
    video = await process(_READ_ON[kind](tmp_path), tmp_path / "media")
    assert video.planned.source.notes == ()
    assert 1600 < video.planned.source.duration_ms < 2500


async def test_an_ordinary_file_has_no_notes(tmp_path: Path) -> None:
    source = FILES["mp4"](tmp_path)
    video = await process(source, tmp_path / "media")
    assert video.planned.source.notes == ()
