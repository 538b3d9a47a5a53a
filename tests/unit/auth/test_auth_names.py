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
        *(("bob", alike) for alike in ("bob.", ".bob", "bob_", "_-bob-_", "bob'", "bob\u00b7")),
        *(
            ("bob", alike)
            for alike in ("ʙob", "ʙᴏʙ", "ḃob", "bo\u0308b", "ɓob", "ƀob", "вob", "ьob")
        ),
        *(("bob", alike) for alike in ("ｂｏｂ", "BÖB", "bob\u02bc", "b\u0335ob", "bøb")),
        ("maria", "ᴍᴀʀɪᴀ"),
        ("Zoë", "zoe"),
        ("łukasz", "lukasz"),
        ("Андрей", "андреи"),
    ],
)
def test_names_that_look_alike(one: str, other: str) -> None:
    assert not skeletons(one).isdisjoint(skeletons(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("neil", "nell"), ("alice", "alicia"), ("user1", "user2"), ("李", "王")),
        # Vowels and voiced sounds are no accents.
        *(("किरण", "करण"), ("がく", "かく"), ("ราม", "รัม"), ("a.b", "a-b"), ("...a", "...b")),
    ],
)
def test_names_that_do_not(one: str, other: str) -> None:
    assert skeletons(one).isdisjoint(skeletons(other))


ACCENTS = "\u0301\u0308\u0323\u0327\u0335\u0307"
SMALL_CAPITALS = str.maketrans("abcdeghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")
WIDE = {ord(char): ord(char) + 0xFEE0 for char in "abcdefghijklmnopqrstuvwxyz"}
CYRILLIC = str.maketrans("aceopxyi", "асеорхуі")


@given(st.data(), st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12))
def test_a_disguise_looks_like_the_name(data: st.DataObject, name: str) -> None:
    disguise = ""
    for char in name:
        other = data.draw(
            st.sampled_from(
                [
                    char,
                    char.upper(),
                    *(char.translate(table) for table in (SMALL_CAPITALS, WIDE, CYRILLIC)),
                ]
            )
        )
        disguise += other + data.draw(st.text(ACCENTS, max_size=2))
    edge = st.text("._-'~", max_size=3)
    disguise = data.draw(edge) + disguise + data.draw(edge)
    # A capital I looks like an l: it is one of the ways in which a name may be meant.
    assert not skeletons(disguise).isdisjoint(skeletons(name)), disguise


@given(st.text(min_size=3, max_size=60))
def test_every_name_has_a_look(text: str) -> None:
    try:
        name = new_username(text)
    except RefusedText:
        return
    assert all(skeletons(name))


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
