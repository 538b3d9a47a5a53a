"""What people may write as titles, descriptions, tags and usernames: one set of rules for all.

Kept text is in Normalization Form C (Unicode Standard Annex 15) and trimmed; lengths are counted
in code points of that form. Everything here is pure, and cleaning a clean text changes nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

MAX_TITLE: Final = 200
MAX_DESCRIPTION: Final = 5000
MAX_TAG: Final = 50
MAX_TAGS: Final = 10
"""Tags of one request."""
MAX_MESSAGE: Final = 300
"""Of a chat."""

MIN_USERNAME: Final = 3
MAX_USERNAME: Final = 100

# Without the separators U+001C to U+001F, which Python counts as spaces and Unicode as controls.
_SPACES: Final = re.compile(r"[^\S\x1c-\x1f]+")
_ANY_SPACES: Final = re.compile(r"\s+")
_LINE_ENDS: Final = re.compile(r"\r\n?")

# Unicode's property Bidi_Control: they can make a text read differently from what it says.
_BIDI_CONTROLS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
# Letters and symbols without ink: Hangul fillers (Default_Ignorable_Code_Point), blank Braille,
# the null note head, the blanks of Egyptian hieroglyphs.
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442")
# Unicode's property Default_Ignorable_Code_Point, including code points that are not assigned yet.
# Others that are unknown here may be characters of a newer Unicode, so they count as visible.
_IGNORABLE: Final = frozenset(
    chr(code)
    for first, last in (
        (0xAD, 0xAD),
        (0x34F, 0x34F),
        (0x61C, 0x61C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)
# Where ignorable characters have a meaning, for all to see: emoji in sequences and presentations
# (UTS 51), variants of ideographs and of Mongolian letters (UTS 37, UAX 44), and joiners after a
# virama or between letters of joining scripts (RFC 5892, appendix A).
_VIRAMA: Final = 9
_JOINING: Final = "\u0600-\u06ff\u0700-\u07ff\u0840-\u08ff\u1800-\u18aa\ufb50-\ufdff"
_EMOJI: Final = (
    "\xa9\xae\u203c\u2049\u20e3\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_MEANINGFUL: Final = re.compile(
    rf"(?<=[#*0-9{_EMOJI}])[\ufe0e\ufe0f]"
    rf"|(?<=[{_EMOJI}\ufe0f\U000e007f])\u200d(?=[{_EMOJI}])"
    "|(?<=\U0001f3f4)[\U000e0020-\U000e007e]{1,8}\U000e007f"
    "|(?<=[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
    "[\ufe00-\ufe02\U000e0100-\U000e01ef]"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
    rf"|(?<=[{_JOINING}])\u200c(?=[{_JOINING}])"
)
_JOINERS: Final = "\u200c\u200d"
_NONCHARACTERS: Final = range(0xFDD0, 0xFDF0)
_NOT_IN_A_PATH: Final = frozenset("/\\?#%")


class RefusedText(ValueError):
    """A text breaks a rule. ``problem`` completes "The title …", as in "must not be empty"."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def clean_title(text: str) -> str:
    """One line of 1 to 200 characters, at least one of them visible. Raises RefusedText."""
    return _line(text, MAX_TITLE)


def clean_description(text: str) -> str:
    """Lines of at most 5000 characters in all, possibly none. Raises RefusedText."""
    lines = _LINE_ENDS.sub("\n", unicodedata.normalize("NFC", text))
    _refuse_controls(lines, allowed="\n\t")
    kept = lines.strip()
    if kept:
        _refuse_invisible(kept)
    if len(kept) > MAX_DESCRIPTION:
        raise RefusedText(f"must have at most {MAX_DESCRIPTION} characters")
    return kept


def clean_tag(text: str) -> str:
    """One line of 1 to 50 characters, at least one of them visible. Raises RefusedText."""
    return _line(text, MAX_TAG)


def clean_message(text: str) -> str:
    """One line of 1 to 300 characters, at least one of them visible. Raises RefusedText."""
    return _line(text, MAX_MESSAGE)


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """At most 10 tags, each cleaned, in order and without repetitions. Raises RefusedText."""
    if len(tags) > MAX_TAGS:
        raise RefusedText(f"must be at most {MAX_TAGS}")
    return merge_tags((), [clean_tag(tag) for tag in tags])


def merge_tags(tags: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    """``tags`` followed by those of ``more`` that are not among them; the first spelling stays."""
    merged = {tag_key(tag): tag for tag in tags}
    for tag in more:
        merged.setdefault(tag_key(tag), tag)
    return tuple(merged.values())


def without_tag(tags: tuple[str, ...], tag: str) -> tuple[str, ...]:
    """``tags`` without ``tag``, however it is spelled."""
    key = tag_key(tag)
    return tuple(present for present in tags if tag_key(present) != key)


def tag_key(tag: str) -> str:
    """Two tags with one key are the same: case, width and spacing do not tell them apart."""
    return _ANY_SPACES.sub(" ", unicodedata.normalize("NFKC", _caseless(tag))).strip()


def clean_username(text: str) -> str:
    """3 to 100 characters of any script. Raises RefusedText.

    A name is refused rather than trimmed, because it is typed again at every login. It cannot hold
    invisible characters, or those that would break the path of a URL.
    """
    name = unicodedata.normalize("NFC", text)
    if not MIN_USERNAME <= len(name) <= MAX_USERNAME:
        raise RefusedText(f"must have {MIN_USERNAME} to {MAX_USERNAME} characters")
    if name != name.strip():
        raise RefusedText("must not begin or end with a space")
    if any(unicodedata.category(char)[0] == "C" or char in _NOT_IN_A_PATH for char in name):
        raise RefusedText("must not contain control characters or any of / \\ ? # %")
    if any(unicodedata.category(char) in {"Zl", "Zp"} for char in name):
        raise RefusedText("must be one line")
    if not name.strip("."):
        raise RefusedText("must not consist of dots")
    _refuse_invisible(name)
    return name


def username_key(username: str) -> str:
    """Two usernames with one key are the same: compatibility forms and case do not count."""
    return _caseless(username)


def without_unprintable(text: str) -> str:
    """``text`` in NFC without the characters that the rules above refuse in one line."""
    kept = (char for char in text if not _is_control(char) and char not in _BIDI_CONTROLS)
    return unicodedata.normalize("NFC", "".join(kept))


def without_ignorable(text: str) -> str:
    """``text`` without the characters that are ignored by default where a text is shown."""
    return "".join(char for char in text if char not in _IGNORABLE)


def _caseless(text: str) -> str:
    """Unicode's compatibility caseless match (The Unicode Standard, section 3.13, D146)."""
    folded = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", folded).casefold())


def _line(text: str, longest: int) -> str:
    line = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
    if not line:
        raise RefusedText("must not be empty")
    _refuse_controls(line)
    _refuse_invisible(line)
    _refuse_ignorable(line)
    if len(line) > longest:
        raise RefusedText(f"must have at most {longest} characters")
    return line


def _refuse_controls(text: str, allowed: str = "") -> None:
    if any(_is_control(char) and char not in allowed for char in text):
        raise RefusedText("must not contain control characters")
    if not _BIDI_CONTROLS.isdisjoint(text):
        raise RefusedText("must not contain characters that change the direction of writing")


def _refuse_invisible(text: str) -> None:
    if not any(_is_visible(char) for char in text):
        raise RefusedText("must contain a visible character")


def _refuse_ignorable(line: str) -> None:
    """Ignorable characters and blanks make one title look like another."""
    rest = _MEANINGFUL.sub("", line)
    for before, char in pairwise(" " + rest):
        if char in _JOINERS and unicodedata.combining(before) == _VIRAMA:
            continue
        if char in _IGNORABLE or char in _BLANK:
            raise RefusedText("must not contain invisible characters")


def _is_control(char: str) -> bool:
    """Controls, lone surrogates (not in UTF-8) and noncharacters (not in XML)."""
    code = ord(char)
    return (
        unicodedata.category(char) in {"Cc", "Cs"}
        or code & 0xFFFE == 0xFFFE
        or code in _NONCHARACTERS
    )


def _is_visible(char: str) -> bool:
    category = unicodedata.category(char)
    if category[0] in "ZM" or category in {"Cc", "Cf", "Cs"} or char in _BLANK:
        return False
    return char not in _IGNORABLE
