"""Normalising, vectors, queries and distances."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.catalog.read_model.text_analysis import (
    allowed_typos,
    edit_distance,
    normalise,
    parse_query,
    tolerant,
    vector,
    vocabulary,
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Café CRÈME", "cafe creme"),
        ("Straße, Ærø & Łódź!", "strasse aero lodz"),
        ("İstanbul ISPARTA", "istanbul isparta"),
        ("ёлка Й", "елка и"),
        ("ｗｉｄｅ ﾊﾝｶｸ", "wide ハンカク"),
        ("한국 가", "한국 가"),
        ("がぎ", "がぎ"),
        ("مَرْحَبًا", "مرحبا"),
        ("हिन्दी", "हिन्दी"),
        ("don't rock’n’roll", "dont rocknroll"),
        ("a_b-c/d\x00e", "a b c d e"),
        ("", ""),
    ],
)
def test_normalise(text: str, folded: str) -> None:
    assert normalise(text) == folded


@given(st.text())
def test_folding_is_stable_and_safe_inside_quotes(text: str) -> None:
    folded = normalise(text)
    assert not set("'\\&|!:*()<>\0") & set(folded)
    assert folded == " ".join(folded.split())


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_leads_to_the_same(text: str) -> None:
    assert normalise(text) == normalise(text + "é").removesuffix("e").rstrip()


def test_a_vector_has_words_places_and_weights() -> None:
    assert vector([("big bunny", "A"), ("bunny", "D")]) == "'big':1A 'bunny':2A,4D"
    assert vector([("東京都", "A")]) == "'京都':2A '東京':1A '都':3A"
    assert vector([("", "A")]) == ""


def test_words_of_other_alphabets_are_whole_words() -> None:
    assert vector([("елка iphone手机", "A")]) == "'iphone':2A 'елка':1A '手机':3A '机':4A"
    assert vector([(f"{'x' * 70} {'я' * 70}", "A")]) == f"'{'x' * 64}':1A '{'я' * 64}':2A"


def test_a_vector_keeps_no_more_places_of_a_word_than_postgres_takes() -> None:
    assert vector([("la " * 300, "A")]).count("A") == 250


def test_a_query_means_all_words_and_the_last_may_be_begun() -> None:
    query = parse_query("Big Bu")
    assert query is not None
    assert query.strict == "('big') & ('bu':*)"
    assert query.words == ()
    query = parse_query("bunny bunny big sky4 pony")
    assert query is not None
    assert query.words == ("bunny", "pony")


def test_unspaced_scripts_are_asked_for_in_pairs() -> None:
    def strict(text: str) -> str:
        query = parse_query(text)
        assert query is not None
        return query.strict

    assert strict("東京都") == "('東京' <-> '京都')"
    assert strict("京") == "('京':*)"
    assert strict("iphone手") == "('iphone' <-> '手':*)"
    assert strict("手iphone") == "('手':* <-> 'iphone':*)"
    assert strict("手机iphone") == "('手机' <-> 'iphone':*)"


def test_other_spellings_stand_beside_the_word() -> None:
    query = parse_query("bunmy big")
    assert query is not None
    assert tolerant(query, {"bunmy": ["bunny"]}) == "('bunmy' | 'bunny') & ('big':*)"


@pytest.mark.parametrize("text", ["", "  ", "!?", "\x00"])
def test_no_word_no_query(text: str) -> None:
    assert parse_query(text) is None


@given(st.text(max_size=400))
def test_any_text_makes_a_query_or_none(text: str) -> None:
    query = parse_query(text)
    if query is not None:
        assert 0 < len(query.units) <= 12


def test_short_numbered_and_unspaced_words_are_not_guessed_at() -> None:
    assert vocabulary(["cat bunny 4000k 東京都民", "big"]) == {"bunny"}


def test_words_of_four_to_64_letters_of_any_alphabet_are_guessed_at() -> None:
    longest = "x" * 64
    texts = [f"cat pony кот елка {longest} {longest}x"]
    assert vocabulary(texts) == {"pony", "елка", longest}
    assert [allowed_typos("x" * length) for length in (4, 7, 8, 64)] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("a", "b", "mistakes"),
    [
        ("bunny", "bunny", 0),
        ("bunmy", "bunny", 1),
        ("buny", "bunny", 1),
        ("ubnny", "bunny", 1),
        ("bnuyn", "bunny", 2),
        ("horse", "bunny", 3),
        ("a", "abcdef", 3),
    ],
)
def test_edit_distance(a: str, b: str, mistakes: int) -> None:
    assert edit_distance(a, b, 2) == mistakes
    assert edit_distance(b, a, 2) == mistakes
    assert edit_distance(a, b, 0) == min(mistakes, 1)


def aligned(a: str, b: str) -> int:
    """The optimal string alignment distance as it is defined, without a limit."""
    if not a or not b:
        return len(a) + len(b)
    found = [
        aligned(a[:-1], b) + 1,
        aligned(a, b[:-1]) + 1,
        aligned(a[:-1], b[:-1]) + (a[-1] != b[-1]),
    ]
    if len(a) > 1 and len(b) > 1 and a[-2:] == b[-1] + b[-2]:
        found.append(aligned(a[:-2], b[:-2]) + 1)
    return min(found)


words = st.text("abc", max_size=5)


@given(words, words, st.integers(0, 5))
@example("ac", "ba", 5)
@example("ab", "acd", 1)
@example("cpq", "pqrs", 1)
@example("aaa", "a", 5)
@example("cab", "bc", 5)
@example("ca", "ab", 5)
def test_edit_distance_is_what_its_definition_says(a: str, b: str, limit: int) -> None:
    assert edit_distance(a, b, limit) == min(aligned(a, b), limit + 1)


@pytest.mark.parametrize(("a", "b"), [("", "x"), ("a", "abc"), ("ab", "ba"), ("aab", "aba")])
def test_edit_distance_at_the_borders(a: str, b: str) -> None:
    assert edit_distance(a, b, 2) == edit_distance(b, a, 2) == aligned(a, b)
