"""Which text tracks of a source become captions, and what its uploader is told of the others."""

from typing import Any

from services.transcoder.domain.decisions import RecordEvent, decide
from services.transcoder.domain.state import is_complete
from services.transcoder.planning.ffprobe_answer import ProbeReport, Stream
from services.transcoder.planning.plan import video_tasks
from services.transcoder.planning.texts import MAX_TEXTS, choose_texts
from shared.contracts import TextTrack
from tests.unit.transcoder.facts_about import (
    CAPTIONS,
    IMAGES,
    TEXT,
    after,
    audio_encoded,
    chunk_encoded,
    plan,
)


def text(index: int, codec: str = "subrip", language: str = "", **more: Any) -> Stream:
    tags = {"language": language} if language else {}
    tags |= {"title": more.pop("title")} if "title" in more else {}
    return Stream(
        index=index,
        codec_type="subtitle",
        codec_name=codec,
        tags=tags,
        disposition=dict.fromkeys(more, 1),
    )


def report(*streams: Stream) -> ProbeReport:
    return ProbeReport(streams=[Stream(index=0, codec_type="video"), *streams])


def test_one_track_of_each_language_is_read() -> None:
    tracks, notes = choose_texts(
        report(
            text(2, "ass", "eng", forced=1),
            text(3, "subrip", "eng"),
            text(4, "mov_text", "ger", hearing_impaired=1, title=" Für\u202e alle "),
            text(5, "webvtt"),
        )
    )
    assert tracks == (
        TextTrack(stream=3, codec="subrip", language="en", kind="subtitles", label="en"),
        TextTrack(stream=4, codec="mov_text", language="de", kind="captions", label="de"),
        TextTrack(stream=5, codec="webvtt", language="und", kind="subtitles", label="und"),
    )
    assert [note.text for note in notes] == [
        "A subtitle track (ASS, language en) was left out, because it is a second one in the"
        " language."
    ]


def test_pictures_and_protected_tracks_are_left_out_in_words() -> None:
    tracks, notes = choose_texts(
        report(
            text(1, "hdmv_pgs_subtitle", "fre"),
            text(2, "dvd_subtitle"),
            text(3, "subrip", "en"),
            text(4, "hdmv_text_subtitle", "en"),
        ),
        {3: "encryption"},
    )
    assert tracks == ()
    assert {note.code for note in notes} == {"captions_left_out"}
    assert {note.text for note in notes} == {
        "2 subtitle tracks (PGS, language fr, VobSub) were left out, because they are pictures,"
        " not text.",
        "A subtitle track (SubRip, language en) was left out, because it is protected.",
        "A subtitle track (unknown format, language en) was left out, because it is in a format"
        " that cannot be read.",
    }


def test_a_video_has_few_of_many() -> None:
    letters = "abcdefgh"
    many = [text(n + 1, "subrip", f"q{letters[n // 8]}{letters[n % 8]}") for n in range(40)]
    tracks, notes = choose_texts(report(*many))
    assert len(tracks) == MAX_TEXTS
    assert notes[0].text.startswith("10 subtitle tracks (SubRip, language qdg,")


def test_a_video_is_complete_when_its_text_tracks_were_read() -> None:
    planned = plan(texts=(TEXT,))
    made = [chunk_encoded(planned, task.chunk, *task.renditions) for task in video_tasks(planned)]
    others = (planned, *made, audio_encoded(0, 5, complete=True), IMAGES)
    assert not is_complete(after(*others))
    assert decide(after(*others), RecordEvent(CAPTIONS)) == (CAPTIONS,)
    done = after(*others, CAPTIONS)
    assert is_complete(done)
    assert decide(done, RecordEvent(CAPTIONS)) == ()
