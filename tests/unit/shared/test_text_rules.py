"""The rules of titles, descriptions, tags and names, and that services agree on every string."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.catalog import domain as catalog
from services.ingest.details import Details, InvalidDetails, check_details
from shared.contracts import DetailsChanged, TagsAdded, VideoUploaded
from shared.errors import InvalidInput
from shared.text_rules import (
    RefusedText,
    clean_description,
    clean_tag,
    clean_tags,
    clean_title,
    clean_username,
    tag_key,
    username_key,
    without_tag,
    without_unprintable,
)

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Ignored by default where a text is shown, or without ink.
IGNORABLE = (
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u200c\u200d\u2060\u2064\u206a\u206f\u2800"
    "\u3164\ufe00\ufe0f\ufeff\uffa0\ufff0\U0001bca0\U0001d159\U0001d173\U000e0001\U000e0041\U000e0100"
)
# Plain text seldom holds what the rules are about.
AWKWARD = st.sampled_from(
    "\0\t\n\r\x1c\x7f\x85 \xa0\xad\u0301\u034f\u115f\u200b\u200d\u2028\u2065\u2800\u3000\u3164"
    "\ufdd0\ufe0f\ufeff\uffff\ud800\U000e0041\U0001faf0\U0001fae8aAéÅﬁß/,."
    f"{BIDI}"
)
TEXTS = st.one_of(
    st.text(max_size=120),
    st.text(AWKWARD, max_size=12),
    st.text(st.one_of(st.characters(), AWKWARD), max_size=120),
)
UPLOADED = VideoUploaded(
    video_id="v",
    user_id="ada",
    title="",
    description="",
    filename="",
    content_type="video/mp4",
    size=1,
    source_key="k",
)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("  New \n\t title ", "New title"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("\u3000\u2028x\xa0", "x"),
        ("é" * 200, "é" * 200),
        ("e\u0301" * 200, "é" * 200),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        *(
            (text, text)
            for text in (
                *("❤\ufe0f", "1\ufe0f\u20e3", "👁\ufe0f\u200d🗨\ufe0f", "👩🏽\u200d🚀"),
                "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
                *("क\u094d\u200dष", "क\u094d\u200cष", "葛\U000e0100", "ᠠ\u180b"),
            )
        ),
        # Of a newer Unicode than Python's.
        ("\U0001fae8", "\U0001fae8"),
    ],
)
def test_titles_as_they_are_kept(given_text: str, kept: str) -> None:
    assert clean_title(given_text) == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", " \t", "\u200b\u200b", "\u3164", "\u2800", "\u2065", "\ufe0f", "\U000e0041"),
        *("\U0001d159", "\U00013441\U00013442"),
        *(
            "\u0301",
            "x" * 201,
            "a\x07",
            "a\0b",
            "\x1cx",
            "a\x7fb",
            "a\ud800b",
            "x\uffff",
            "x\ufdd0",
        ),
        *(f"a{control}b" for control in BIDI),
        *(f"a{char}b" for char in IGNORABLE),
        *(
            "a\u200d",
            "\u200d👩",
            "👩\u200d",
            "❤\ufe0f\ufe0f",
            "می\u200c",
            "🏴\U000e0067",
            "葛\u200d城",
        ),
    ],
)
def test_titles_that_break_a_rule(text: str) -> None:
    with pytest.raises(RefusedText) as refused:
        clean_title(text)
    assert refused.value.problem.startswith("must ")


def test_all_bidi_controls_are_known() -> None:
    """Their names say so: marks, embeddings, overrides and isolates."""
    named = {
        chr(code)
        for code in range(0x10000)
        if unicodedata.bidirectional(chr(code))
        in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        or unicodedata.name(chr(code), "").endswith(("LEFT MARK", "RIGHT MARK", "LETTER MARK"))
    }
    assert named == set(BIDI)


def test_descriptions() -> None:
    assert clean_description(" one\r\ntwo\rthree\tx\n") == "one\ntwo\nthree\tx"
    assert clean_description(" \n ") == ""
    assert clean_description("東" * 5000) == "東" * 5000
    for text in ("東" * 5001, "\0", "a\x0cb", "\u200b", "a\u202eb"):
        with pytest.raises(RefusedText):
            clean_description(text)


def test_tags() -> None:
    assert clean_tags(["Bike", "bike", " big  sky ", "BIG SKY", "ｂｉｋｅ"]) == ("Bike", "big sky")
    assert clean_tags([]) == ()
    assert without_tag(("Sea", "sky"), " SEA") == ("sky",)
    for tags in (["x"] * 11, [""], ["\u200b"], ["x" * 51]):
        with pytest.raises(RefusedText):
            clean_tags(tags)


@pytest.mark.parametrize("name", ["abc", "a" * 100, "Zoë", "李小龍", "o'brien", "a b", "x.y_z-1"])
def test_usernames_of_any_script(name: str) -> None:
    assert clean_username(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "ab", "a" * 101, " abc", "abc ", "a/b/c", "a\\bc", "a?bc", "a#bc", "a%bc", "...", "....",
     "a\x00bc", "a\nbc", "a\u200bbc", "a\u202ebc", "a\u2028bc", "\ud800abc", "\u3164\u3164\u3164"],
)  # fmt: skip
def test_usernames_that_break_things(name: str) -> None:
    with pytest.raises(RefusedText):
        clean_username(name)


def test_one_name_has_one_key() -> None:
    for same in ("Alice", "ALICE", "ａｌｉｃｅ"):
        assert username_key(same) == "alice"
    assert clean_username("Zoe\u0308") == "Zo\u00eb"
    assert username_key("Straße") == username_key("STRASSE")


@given(st.text(min_size=3, max_size=100))
def test_keys_are_stable(name: str) -> None:
    key = username_key(name)
    assert username_key(key) == key


@given(TEXTS)
@pytest.mark.parametrize(
    ("rule", "longest"),
    [(clean_title, 100), (clean_tag, 50), (clean_description, 500), (clean_username, 100)],
)
def test_a_clean_text_is_normal_storable_and_stays(
    rule: Callable[[str], str], longest: int, text: str
) -> None:
    try:
        kept = rule(text)
    except RefusedText:
        return
    assert rule(kept) == kept
    assert rule(unicodedata.normalize("NFD", text)) == kept
    assert unicodedata.is_normalized("NFC", kept)
    assert kept.strip(" ") == kept
    assert len(kept) <= longest
    assert "\0" not in kept.encode().decode()
    assert set(BIDI).isdisjoint(kept)


@given(TEXTS)
def test_what_is_left_of_a_line_without_unprintables_has_none(text: str) -> None:
    kept = without_unprintable(text)
    assert without_unprintable(kept) == kept
    assert set(BIDI).isdisjoint(kept)
    kept.encode()


@given(TEXTS)
def test_a_clean_tag_has_a_key(text: str) -> None:
    try:
        tag = clean_tag(text)
    except RefusedText:
        return
    key = tag_key(tag)
    assert key
    assert tag_key(key) == key


@given(TEXTS)
@example("\u0390")
@example("\u03aa\u0301")
@example("Straße")
@example("ſ\u0345")
def test_a_tag_is_the_same_in_either_case_and_form(text: str) -> None:
    key = tag_key(text)
    assert tag_key(text.casefold()) == key
    assert tag_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert tag_key(unicodedata.normalize(form, text)) == key


@pytest.mark.parametrize("tag", ["\u0390", "straße", "ǰazz"])
def test_a_tag_in_capitals_is_the_same(tag: str) -> None:
    assert tag_key(tag.upper()) == tag_key(tag)
    assert clean_tags([tag, tag.upper()]) == (tag,)


@given(title=TEXTS, description=TEXTS)
@example(title="\u200b\u200b", description="")
def test_ingest_and_catalog_agree_on_titles_and_descriptions(title: str, description: str) -> None:
    kept = _by_ingest(Details(title=title, description=description))
    changed = _by_catalog(catalog.ChangeDetails("ada", title, description))
    if kept is None or changed is None:
        assert kept is changed
    else:
        assert isinstance(changed, DetailsChanged)
        assert (changed.title, changed.description) == (kept.title, kept.description)


@given(st.lists(TEXTS, min_size=1, max_size=12))
@example(["Bike", "bike"])
def test_ingest_and_catalog_agree_on_tags(tags: list[str]) -> None:
    kept = _by_ingest(Details(title="x", tags=tuple(tags)))
    try:
        cleaned = catalog.clean_tags(tags)
    except InvalidInput:
        assert kept is None
        return
    assert kept is not None
    added = _by_catalog(catalog.AddTags("ada", cleaned))
    assert isinstance(added, TagsAdded)
    assert added.tags == kept.tags


def _by_ingest(given_details: Details) -> Details | None:
    try:
        return check_details(given_details)
    except InvalidDetails:
        return None


def _by_catalog(command: catalog.Command) -> object:
    video = catalog.evolve(catalog.initial(), UPLOADED)
    try:
        return next(iter(catalog.decide(video, command)))
    except InvalidInput:
        return None
