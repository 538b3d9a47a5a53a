"""Usernames: what may be made, what looks alike."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth import domain
from services.auth.names import RESERVED, new_username, skeletons
from shared.text_rules import RefusedText, username_key


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        *((name, name) for name in ("abc", "Zoë", "李小龍", "o'brien", "a b", "x.y_z-1", "Иван")),
        *((name, name) for name in ("عليم", "דוד", "Ελένη", "ไทย", "ALICE")),
        ("Zoe\u0308", "Zo\u00eb"),
        ("ａｌｉｃｅ", "alice"),
        ("e\u0301" * 100, "é" * 100),
    ],
)
def test_names_of_any_script(typed: str, kept: str) -> None:
    assert new_username(typed) == kept
    assert new_username(kept) == kept


@pytest.mark.parametrize(
    "name",
    ["ab", "a  b", " abc", "abc ", "user★", "a😀b", "Ⅷab", "ﬁxx", "abc\u05d0", "½ab", "a\u00a0b",
     "ab\u00ad", "a\u034fb", "\u115fabc", "abc\u1160", "ab\u17b4c", "ab\u180bc", "ab\u200bc",
     "ab\u200cc", "ab\u200dc", "abc\u200e", "a\u202ebc", "ab\u2060c", "a\u2066bc", "ab\u3164c",
     "abc\ufe0f", "\ufeffabc", "abc\uffa0", "ab\u2800c", "ab\U000e0041c", "ab\U000e0100c"],
)  # fmt: skip
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(RefusedText):
        new_username(name)
    with pytest.raises(domain.InvalidUsername):
        domain.valid_username(name)


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_refused_in_every_disguise(name: str) -> None:
    cyrillic = name.translate(str.maketrans("aceopxyi", "асеорхуі"))
    digits = name.translate(str.maketrans("o", "0"))
    capitals = name.upper().replace("I", "1")
    for disguise in (name, name.upper(), cyrillic, digits, capitals):
        with pytest.raises(RefusedText):
            new_username(disguise)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "pаypаl"),  # Cyrillic
        ("paypal", "PaypaI"),
        ("paypal", "paypa1"),
        ("mary", "rnary"),
        ("scope", "ѕсоре"),
        ("bob", "b0b"),
        ("Ελένη", "Eλένη"),
        ("tom", "tоm"),
    ],
)
def test_names_that_look_alike(one: str, other: str) -> None:
    assert not skeletons(one).isdisjoint(skeletons(other))


@pytest.mark.parametrize(
    ("one", "other"), [("neil", "nell"), ("alice", "alicia"), ("user1", "user2"), ("李", "王")]
)
def test_names_that_do_not(one: str, other: str) -> None:
    assert skeletons(one).isdisjoint(skeletons(other))


@given(st.text(min_size=3, max_size=60))
def test_kept_names_stay_what_they_are(text: str) -> None:
    try:
        name = new_username(text)
    except RefusedText:
        return
    assert new_username(name) == name
    assert unicodedata.is_normalized("NFC", name)
    # The same name, composed or written otherwise, leads to the same account.
    for typed in (text, unicodedata.normalize("NFD", name), name.lower()):
        assert username_key(typed) == username_key(name)
