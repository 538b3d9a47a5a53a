"""By which terms a video is found, and in which order a term has its videos."""

from datetime import UTC, datetime
from typing import Any

from services.catalog.read_model.terms import (
    BEGINNINGS,
    LONGEST_BEGINNING,
    WORDS,
    term_rows,
    views_band,
)
from services.catalog.rows import VideoRow

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def scores(title: str, **more: Any) -> dict[str, int]:
    values: dict[str, Any] = {"listed": True, "description": ""} | more
    video = VideoRow(id="v", user_id="u", title=title, created_at=NOW, updated_at=NOW, **values)
    return {row.term: row.score for row in term_rows(video)}


def test_terms_are_words_and_their_beginnings() -> None:
    assert set(scores("Café au lait")) == {
        *("cafe", "au", "lait"),
        *("c*", "a*", "l*", "ca*", "au*", "la*", "caf*", "lai*", "cafe*", "lait*"),
    }
    assert not scores("Café", listed=False)


def test_a_script_without_spaces_is_begun_with_one_character() -> None:
    assert set(scores("東京タ")) == {*("東京", "京タ", "タ"), *("東*", "京*", "タ*")}


def test_titles_weigh_more_than_tags_and_tags_more_than_descriptions() -> None:
    found = scores("sea", tags=("sun",), description="sand")
    assert found["sea"] > found["sun"] > found["sand"]
    assert found["sea*"] > found["sun*"] > found["sand*"]


def test_a_word_weighs_more_the_more_often_and_in_the_shorter_text() -> None:
    assert scores("sea sea sun")["sea"] > scores("sea sun sun")["sea"]
    assert scores("sea sun")["sea"] > scores("sea sun sand")["sea"]
    # Words that begin alike weigh together.
    assert scores("sea seal sun")["se*"] > scores("sea seal sun")["sea"]


def test_of_videos_that_weigh_the_same_those_that_more_have_seen_come_first() -> None:
    by_views = [scores("sea", views=views)["sea"] for views in (3, 4, 8, 1000)]
    assert by_views == sorted(set(by_views))
    # Whatever their number is, views outweigh no word.
    assert scores("sea sun", views=2**62)["sea"] < scores("sea")["sea"]
    assert [views_band(views) for views in (0, 3, 4, 7, 8)] == [0, 0, 1, 1, 2]


def test_a_long_text_has_its_heaviest_terms() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    text = " ".join(first + second * 6 for first in letters for second in letters)
    found = scores("sea sun", description=text)
    assert len(found) == WORDS + LONGEST_BEGINNING * BEGINNINGS
    assert {"sea", "sun", "s*", "se*", "su*", "sea*", "sun*"} <= set(found)
