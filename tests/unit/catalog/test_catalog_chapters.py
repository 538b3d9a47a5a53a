"""Chapters are what lines of the description say, and nothing that only looks like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.chapters import Chapter, read_chapters, webvtt

HOUR = 3_600_000


def named(description: str, duration_ms: int | None = 2 * HOUR) -> list[tuple[int, str]]:
    """Starts in seconds, and names."""
    chapters = read_chapters(description, duration_ms)
    return [(chapter.start_ms // 1000, chapter.title) for chapter in chapters]


def test_lines_with_a_time_stamp_are_chapters() -> None:
    description = "A ride.\n\n0:00 Intro\n1:30 Up the hill\n1:02:03 – The end\n\nMore at 5:00."
    assert read_chapters(description, 2 * HOUR) == [
        Chapter(start_ms=0, end_ms=90_000, title="Intro"),
        Chapter(start_ms=90_000, end_ms=3_723_000, title="Up the hill"),
        Chapter(start_ms=3_723_000, end_ms=2 * HOUR, title="The end"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        *("1:30 Up", "01:30 Up", "00:01:30 Up", "1:30 - Up", "1:30 — Up", "1:30: Up", "1:30\tUp"),
        *("- 1:30 Up", "• 1:30 Up", "(1:30) Up", "[1:30] - Up", "  1:30 Up  ", "1:30-Up"),
    ],
)
def test_ways_to_write_them(line: str) -> None:
    assert named(f"00:00 Begin\n{line}") == [(0, "Begin"), (90, "Up")]


def test_minutes_may_be_more_than_an_hour() -> None:
    assert named("0:00 a\n75:30 b") == [(0, "a"), (4530, "b")]


@pytest.mark.parametrize(
    "description",
    [
        "",
        "0:00 Only one",
        "0:01 Not from the beginning\n1:30 Up",
        "0:00 a\n2:00 b\n1:00 c",
        "0:00 a\n0:00 b",
        "0:00\n1:30",
        "see 0:00 a\nsee 1:30 b",
        "0:00 a\n1:75 b",
        "0:00 a\n1:2:03 b",
        "0:00 a\n٢:٠٠ b",
        "0:00 a\n1234:00 b",
        "0:00:00:00 a\n1:00:00:00 b",
    ],
)
def test_what_is_none(description: str) -> None:
    assert named(description) == []


def test_what_begins_behind_the_end_is_left_out() -> None:
    description = "0:00 a\n0:10 b\n0:20 c"
    assert named(description, 15_000) == [(0, "a"), (10, "b")]
    assert named(description, 10_000) == []
    assert named(description, None) == []


def test_as_webvtt_a_name_stays_a_name() -> None:
    chapters = read_chapters("0:00 <b>a</b> & b\n1:00 x --> y", 90_500)
    assert webvtt(chapters) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:01:00.000\n&lt;b&gt;a&lt;/b&gt; &amp; b\n\n"
        "00:01:00.000 --> 00:01:30.500\nx --&gt; y\n"
    )
    assert webvtt([]) == "WEBVTT\n"


@given(st.text(max_size=300), st.none() | st.integers(0, HOUR))
def test_whatever_is_written_they_follow_each_other(text: str, duration_ms: int | None) -> None:
    chapters = read_chapters("0:00 a\n" + text, duration_ms)
    assert all(chapter.start_ms < chapter.end_ms for chapter in chapters)
    if chapters:
        assert chapters[0].start_ms == 0
        assert chapters[-1].end_ms == duration_ms
    ends = [chapter.end_ms for chapter in chapters[:-1]]
    assert ends == [chapter.start_ms for chapter in chapters[1:]]
