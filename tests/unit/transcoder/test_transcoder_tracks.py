"""Which tracks of a source are used, and what its uploader is told of the others."""

import json
from typing import Any

import msgspec
import pytest

from services.transcoder.planning.ffprobe_answer import (
    ProbeReport,
    Program,
    ProgramStream,
    parse_report,
)
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.tracks import (
    Chosen,
    choose_tracks,
    doubtful_sounds,
    lost_notes,
)
from shared.contracts import AudioTrack, SourceFacts

PICTURE: dict[str, Any] = {
    "index": 0,
    "codec_type": "video",
    "codec_name": "h264",
    "width": 640,
    "height": 360,
}
SOUND: dict[str, Any] = {
    "index": 1,
    "codec_type": "audio",
    "codec_name": "aac",
    "profile": "LC",
    "channels": 2,
    "sample_rate": "48000",
}
COVER: dict[str, Any] = {
    **PICTURE,
    "codec_name": "png",
    "width": 0,
    "height": 0,
    "disposition": {"attached_pic": 1},
}
NAMELESS: dict[str, Any] = {
    "index": 2,
    "codec_type": "audio",
    "codec_tag_string": "apac",
    "channels": 4,
    "sample_rate": "48000",
    "tags": {"language": "fra"},
}
DECODERS = frozenset(("h264", "hevc", "aac", "png", "mjpeg"))


def report(*streams: dict[str, Any], name: str = "mov,mp4", **tags: str) -> ProbeReport:
    described = {"format_name": name, "tags": tags}
    return parse_report(json.dumps({"streams": streams, "format": described}).encode())


def choose(*streams: dict[str, Any], protected: dict[int, str] | None = None) -> Chosen:
    return choose_tracks(report(*streams), DECODERS, protected)


def notes(chosen: Chosen) -> list[tuple[str, str]]:
    return [(note.code, note.text) for note in chosen.notes]


def test_a_picture_of_which_nothing_decodes_is_told() -> None:
    chosen = choose({**PICTURE, "width": 0, "height": 0}, SOUND)
    assert chosen.picture is None
    assert notes(chosen) == [
        (
            "picture_left_out",
            "A picture track (H.264) was left out, because it holds no picture that can be"
            " decoded.",
        )
    ]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (2, 2, []),
        (1, 0, ["The sound was left out, because nothing of it can be decoded."]),
        (2, 1, ["A sound track was left out, because nothing of it can be decoded."]),
        (3, 1, ["2 sound tracks were left out, because nothing of them can be decoded."]),
    ],
)
def test_tracks_that_a_copy_lacks_are_told(before: int, after: int, told: list[str]) -> None:
    def facts(sounds: int) -> SourceFacts:
        audio = tuple(AudioTrack(index=n, codec="aac") for n in range(sounds))
        return SourceFacts(container="mov", duration_ms=1, size=1, audio=audio)

    assert [note.text for note in lost_notes(facts(before), facts(after))] == told


@pytest.mark.parametrize(
    ("channels", "layout", "told"),
    [
        (8, "unknown", False),
        (9, "unknown", True),
        (16, "unknown", False),
        (20, "unknown", True),
        (11, "7.1.2+LFE2", False),
    ],
)
def test_channels_without_places_are_told(channels: int, layout: str, told: bool) -> None:
    chosen = choose(PICTURE, {**SOUND, "channels": channels, "channel_layout": layout})
    assert [code for code, _ in notes(chosen)] == (["two_channels"] if told else [])


def test_an_ordinary_file_needs_no_note() -> None:
    chosen = choose(PICTURE, SOUND)
    assert chosen.picture is not None
    assert (chosen.picture.index, [s.index for s in chosen.sounds]) == (0, [1])
    assert chosen.notes == ()


@pytest.mark.parametrize("place", [1, 2])
def test_a_sound_without_a_decoder_is_left_out_wherever_it_stands(place: int) -> None:
    good = {**SOUND, "index": 3 - place}
    streams = sorted((PICTURE, {**NAMELESS, "index": place}, good), key=lambda s: s["index"])
    chosen = choose(*streams)
    assert [s.index for s in chosen.sounds] == [3 - place]
    assert notes(chosen) == [
        (
            "sound_left_out",
            "A sound track (Apple Positional Audio Codec, language fra) was left out, because it"
            " cannot be decoded.",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"codec_name": "ac4", "codec_long_name": "AC-4"}, "Dolby AC-4"),
        ({"codec_name": "qoa", "codec_long_name": "QOA (Quite OK Audio)"}, "QOA (Quite OK Audio)"),
        ({"codec_name": "none", "codec_tag_string": "xyz1"}, "unknown format “xyz1”"),
        ({"codec_name": "unknown", "codec_tag_string": "[0][0][0][0]"}, "unknown format"),
        ({"channels": 0}, "AAC"),
        ({"sample_rate": "0"}, "AAC"),
    ],
)
def test_a_note_names_the_format(changes: dict[str, Any], named: str) -> None:
    chosen = choose(PICTURE, {**SOUND, **changes})
    assert chosen.sounds == ()
    ((code, text),) = notes(chosen)
    assert code == "sound_left_out"
    assert f"({named})" in text


def test_without_a_sound_that_decodes_a_film_is_silent() -> None:
    chosen = choose(PICTURE, {**NAMELESS, "index": 1})
    assert chosen.picture is not None
    assert chosen.sounds == ()
    assert [note.code for note in chosen.notes] == ["sound_left_out"]


def test_more_sounds_than_a_video_has_are_told() -> None:
    chosen = choose(PICTURE, *({**SOUND, "index": n} for n in range(1, 12)))
    assert [s.index for s in chosen.sounds] == list(range(1, 9))
    assert notes(chosen) == [
        (
            "sound_left_out",
            "3 sound tracks (AAC, AAC, AAC) were left out, because a video has at most 8.",
        )
    ]


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([{}], 0),
        ([{"disposition": {"default": 1}}], 1),
        ([{"width": 1920, "height": 1080}], 1),
        ([{"width": 1920, "height": 1080}, {"disposition": {"default": 1}}], 2),
        # A still picture beside a film is its cover, even where nothing says so.
        ([{"codec_name": "mjpeg", "width": 4000, "height": 4000}], 0),
        ([{"codec_name": "png", "disposition": {"default": 1}}], 0),
    ],
)
def test_the_default_picture_is_shown_and_else_the_largest(
    others: list[dict[str, Any]], chosen: int
) -> None:
    streams = [{**PICTURE, **each, "index": n} for n, each in enumerate([{}, *others])]
    found = choose(*streams)
    assert found.picture is not None
    assert found.picture.index == chosen
    assert [note.code for note in found.notes] == ["picture_left_out"] * len(others)


def test_the_still_of_an_image_sequence_is_not_its_film() -> None:
    still, film = {**PICTURE, "nb_frames": "1"}, {**PICTURE, "index": 1, "nb_frames": "20"}
    chosen = choose_tracks(report(still, film, major_brand="avis"), DECODERS)
    assert chosen.picture is not None
    assert (chosen.picture.index, chosen.notes) == (1, ())
    # Elsewhere a track of one picture is a track, which is told.
    assert [n.code for n in choose_tracks(report(still, film), DECODERS).notes] == [
        "picture_left_out"
    ]


@pytest.mark.parametrize(
    ("dispositions", "order"),
    [
        ([{}, {}, {}], [1, 2, 3]),
        ([{}, {"default": 1}, {}], [2, 1, 3]),
        ([{"default": 1, "visual_impaired": 1}, {}, {"default": 1}], [3, 2, 1]),
        ([{"comment": 1}, {}, {}], [2, 3, 1]),
    ],
)
def test_the_default_sound_is_the_first(
    dispositions: list[dict[str, int]], order: list[int]
) -> None:
    sounds = ({**SOUND, "index": n + 1, "disposition": d} for n, d in enumerate(dispositions))
    assert [s.index for s in choose(PICTURE, *sounds).sounds] == order


def test_the_sound_of_the_pictures_program_is_the_first() -> None:
    large = {**PICTURE, "index": 2, "width": 1920, "height": 1080}
    sounds = ({**SOUND, "index": 1, "disposition": {"default": 1}}, {**SOUND, "index": 3})
    described = report(PICTURE, large, *sounds, name="mpegts")
    first, second = (
        Program([ProgramStream(0), ProgramStream(1)]),
        Program([ProgramStream(2), ProgramStream(3)]),
    )
    described = msgspec.structs.replace(described, programs=[first, second])
    chosen = choose_tracks(described, DECODERS)
    assert chosen.picture is not None
    assert (chosen.picture.index, [s.index for s in chosen.sounds]) == (2, [3, 1])


def test_a_cover_is_never_the_picture() -> None:
    film = choose(
        {**COVER, "disposition": {"attached_pic": 1, "default": 1}}, {**PICTURE, "index": 1}
    )
    assert film.picture is not None
    assert film.picture.index == 1
    assert film.notes == ()
    song = choose(COVER, SOUND)
    assert song.picture is None
    assert song.cover is not None
    assert song.cover.index == 0


@pytest.mark.parametrize(
    ("streams", "code", "words"),
    [
        ([], "media.no_tracks", "neither pictures nor sound"),
        ([COVER], "media.no_tracks", "neither pictures nor sound"),
        ([{**SOUND, "codec_type": "data"}], "media.no_tracks", "neither"),
        ([NAMELESS], "media.unknown_codec", "Apple Positional Audio Codec"),
        (
            [{**PICTURE, "codec_name": "none", "codec_tag_string": "aprn"}, NAMELESS],
            "media.unknown_codec",
            "picture cannot be decoded: ProRes RAW",
        ),
    ],
)
def test_a_file_of_which_nothing_decodes_is_refused_by_name(
    streams: list[dict[str, Any]], code: str, words: str
) -> None:
    with pytest.raises(MediaRejected, match=words) as refused:
        choose(*streams)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "locks", "why"),
    [
        ({"codec_name": "none", "codec_tag_string": "aprn"}, {}, "it cannot be decoded"),
        ({}, {0: "Apple FairPlay"}, "it is protected (Apple FairPlay)"),
    ],
)
def test_sound_plays_without_a_picture_that_cannot_be_shown(
    changes: dict[str, Any], locks: dict[int, str], why: str
) -> None:
    chosen = choose({**PICTURE, **changes}, SOUND, protected=locks)
    assert (chosen.picture, [s.index for s in chosen.sounds]) == (None, [1])
    ((code, text),) = notes(chosen)
    assert code == "picture_left_out"
    assert why in text


def test_protected_tracks_are_refused_by_the_name_of_the_protection() -> None:
    with pytest.raises(MediaRejected, match="Common Encryption, cenc") as refused:
        choose(PICTURE, SOUND, protected={0: "Common Encryption, cenc", 1: "…"})
    assert refused.value.code == "media.encrypted"
    kept = choose(PICTURE, SOUND, protected={1: "Apple FairPlay"})
    assert kept.sounds == ()
    assert "because it is protected (Apple FairPlay)" in kept.notes[0].text


@pytest.mark.parametrize(
    "described",
    [
        report(PICTURE, SOUND, name="asf", ASF_Protection_Type="DRM"),
        report(
            {**PICTURE, "side_data_list": [{"side_data_type": "Encryption initialization data"}]},
            name="matroska,webm",
        ),
    ],
)
def test_ffprobe_tells_of_some_protections(described: ProbeReport) -> None:
    with pytest.raises(MediaRejected, match="protected"):
        choose_tracks(described, DECODERS)


@pytest.mark.parametrize(
    ("changes", "doubtful"),
    [
        ({}, False),
        ({"channels": 0}, True),
        ({"sample_rate": "0"}, True),
        ({"profile": "xHE-AAC"}, True),
        ({"codec_name": "ac3"}, False),
        ({"codec_name": "pcm_s24le"}, False),
        ({"codec_name": "mpegh_3d_audio"}, True),
    ],
)
def test_only_unusual_sounds_are_tried(changes: dict[str, Any], *, doubtful: bool) -> None:
    assert bool(doubtful_sounds(report(PICTURE, {**SOUND, **changes}))) == doubtful
