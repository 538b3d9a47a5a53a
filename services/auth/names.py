"""Which usernames may be made, and which of them look alike.

A name is one or more parts, separated by single spaces (RFC 8265, section 3.5), each in the PRECIS
profile UsernameCasePreserved; its comparison is that of UsernameCaseMapped and coarser. Names that
look alike have a common skeleton: that of UTS 39, in which accents, strokes, small capitals and
punctuation at either end do not count. Names that were made under earlier rules stay.
"""

import functools
import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from precis_i18n import get_profile

from shared.text_rules import RefusedText, clean_username, without_ignorable

# Names that speak for the product or for whoever runs it (RFC 2142 has the mailboxes).
RESERVED: Final = (
    "abuse",
    "admin",
    "administrator",
    "anonymous",
    "cinelog",
    "deleted",
    "help",
    "hostmaster",
    "moderator",
    "null",
    "official",
    "operator",
    "postmaster",
    "root",
    "security",
    "staff",
    "support",
    "system",
    "undefined",
    "webmaster",
)

RULES: Final = 2
"""Rises with each change of what a skeleton is: those of an earlier number are made anew."""

# Marks that change a letter of any script, unlike vowels and tones of one script.
_ACCENTS: Final = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_LETTER: Final = re.compile(
    r"(LATIN|GREEK|CYRILLIC) (?:LETTER SMALL CAPITAL|SMALL LETTER) (\w+)(?: WITH .+)?"
)
# Not in Unicode's table: the prototype of the Cyrillic soft sign.
_ALSO_ALIKE: Final = {"\u0185": "b"}
_EDGES: Final = ("P", "S", "Z")

_DATA: Final = Path(__file__).with_name("confusables.txt")


def new_username(text: str) -> str:
    """The name as it is kept: in Normalization Form C, its width mapped. Raises RefusedText."""
    name = " ".join(_part(part) for part in clean_username(text).split(" "))
    # Accents keep people's names apart, but not names that speak for the product.
    alike = skeletons(name) | skeletons(_without_marks(name))
    if not alike.isdisjoint(_reserved()):
        raise RefusedText("is reserved, or looks like a name that is")
    return clean_username(name)


def skeletons(name: str) -> frozenset[str]:
    """Two names with a skeleton in common look alike, in one of the ways they may be written."""
    return frozenset(_look(written) for written in (name, name.lower()))


def _without_marks(text: str) -> str:
    letters = unicodedata.normalize("NFD", text)
    return "".join(char for char in letters if not unicodedata.category(char).startswith("M"))


def _part(part: str) -> str:
    try:
        kept = cast("str", get_profile("UsernameCasePreserved").enforce(part))
        get_profile("UsernameCaseMapped").enforce(part)
    except UnicodeEncodeError:
        raise RefusedText(
            "must consist of letters, digits and common punctuation, with single spaces between"
        ) from None
    return kept


def _look(text: str) -> str:
    """A plain letter may look like two others, and their skeleton like more: until nothing changes.

    A name of nothing but punctuation is kept as it is.
    """
    before, look = "", text
    while look != before:
        before, look = look, _skeleton(_plain(look)).casefold()
    start, end = 0, len(look)
    while start < end and unicodedata.category(look[start])[0] in _EDGES:
        start += 1
    while end > start and unicodedata.category(look[end - 1])[0] in _EDGES:
        end -= 1
    return look[start:end] or look


def _plain(text: str) -> str:
    """``text`` with letters that have no accents, strokes or forms of their own."""
    letters = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return "".join(_plain_letter(char) for char in letters)


@functools.lru_cache(maxsize=4096)
def _plain_letter(char: str) -> str:
    match = None if char.isascii() else _LETTER.fullmatch(unicodedata.name(char, ""))
    if match is not None:
        with suppress(KeyError):
            return unicodedata.lookup(f"{match[1]} SMALL LETTER {match[2]}")
    return _ALSO_ALIKE.get(char, char)


def _skeleton(text: str) -> str:
    """Unicode Technical Standard 39, section 4."""
    prototypes = _prototypes()
    plain = without_ignorable(unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFD", "".join(prototypes.get(char, char) for char in plain))


@functools.cache
def _reserved() -> frozenset[str]:
    """Also as they look in capitals: ADMlN."""
    written = (*RESERVED, *(name.upper() for name in RESERVED))
    return frozenset().union(*(skeletons(name) for name in written))


@functools.cache
def _prototypes() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _DATA.read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        prototype, _, alike = line.partition(" ; ")
        shown = "".join(chr(int(code, 16)) for code in prototype.split())
        found |= dict.fromkeys((chr(int(code, 16)) for code in alike.split()), shown)
    return found
