"""Text analysis for search, in any language: normalising, tokens, tsvector and tsquery.

Documents and queries are normalised here and not by PostgreSQL, so read models depend on events
alone and not on a server's dictionaries.
Scripts written without spaces are indexed as overlapping pairs of characters, as Lucene's CJK
analyzer does.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

MAX_QUERY: Final = 200
_MAX_QUERY_WORDS: Final = 12
_LONGEST_WORD: Final = 64
_LAST_POSITION: Final = 16_000  # a tsvector's positions end at 16383

# Letters that Unicode does not decompose, with their usual spelling in ASCII.
_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ŧ": "t",
        "ı": "i",
        "ŋ": "n",
    }
)
# A faster way for ASCII text, with the same result.
_ASCII: Final = {
    code: None if chr(code) == "'" else " " for code in range(128) if not chr(code).isalnum()
}
# Marks that are optional in writing: Latin, Greek and Cyrillic accents, Hebrew points, Arabic
# vowels. The vowel signs of Indic and Thai scripts are marks too, but part of the word.
_OPTIONAL_MARKS: Final = re.compile("[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u064b-\u065f\u0670]")
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]+"
)


Part: TypeAlias = tuple[str, str]
"""A normalised text, and its weight from A to D."""


class Asked(msgspec.Struct, frozen=True):
    """A word of a query, of its unit with this number. ``begun``: longer words match, too."""

    unit: int
    word: str
    begun: bool = False


class Query(msgspec.Struct, frozen=True):
    """A parsed search. ``strict`` is a tsquery of all ``units``; ``words`` may be misspelt."""

    strict: str
    words: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The words that a video must have."""
        last = len(self.units) - 1
        return tuple(
            Asked(number, word, begun)
            for number, unit in enumerate(self.units)
            for word, begun in _query_words(unit, number == last)
        )

    @property
    def has_phrase(self) -> bool:
        """Whether words must follow each other."""
        return len(self.asked) > len(self.units)


def normalise(text: str) -> str:
    """Text without case, accents and punctuation: words with single spaces between."""
    if text.isascii():
        return " ".join(text.casefold().translate(_ASCII).split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = _OPTIONAL_MARKS.sub("", decomposed).translate(_LETTERS)
    composed = unicodedata.normalize("NFC", letters)
    kept = [
        character if unicodedata.category(character)[0] in "LNM" else " "
        for character in composed
        # An apostrophe joins: "don't" is one word, and so is "dont".
        if character not in "'’ʼ"
    ]
    return " ".join("".join(kept).split())


def vector(parts: Sequence[Part]) -> str:
    """A tsvector literal of parts, which phrases do not span."""
    places: dict[str, list[str]] = {}
    position = 0
    for text, weight in parts:
        for token in tokens(text):
            position = min(position + 1, _LAST_POSITION)
            found = places.setdefault(token, [])
            if len(found) < 250:  # a tsvector keeps 256 positions of a word
                found.append(f"{position}{weight}")
        position = min(position + 1, _LAST_POSITION)
    return " ".join(f"'{token}':{','.join(at)}" for token, at in sorted(places.items()))


def vocabulary(texts: Iterable[str]) -> set[str]:
    """The words of normalised texts that may correct a misspelt word."""
    return {word for text in texts for word in text.split() if _can_be_misspelt(word)}


def parse_query(text: str) -> Query | None:
    """Parse a search text: all words must match, the last one as a prefix. None without a word."""
    units = normalise(text[:MAX_QUERY]).split()[:_MAX_QUERY_WORDS]
    if not units:
        return None
    return Query(
        strict=_conjunction(units, {}),
        words=tuple(dict.fromkeys(unit for unit in units if _can_be_misspelt(unit))),
        units=tuple(units),
    )


def tolerant(query: Query, near: Mapping[str, Sequence[str]]) -> str:
    """The tsquery of ``query`` in which each word also matches its spellings in ``near``."""
    return _conjunction(query.units, near)


def edit_distance(a: str, b: str, limit: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours from ``a`` to ``b``.

    The optimal string alignment distance; above ``limit`` only ``limit + 1`` is returned.
    """
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, above, row = row, before, [i]
        for j, y in enumerate(b, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)


def allowed_typos(word: str) -> int:
    """The largest edit distance of a correction: 1, or 2 for words of 8 letters or more."""
    return 1 if len(word) < 8 else 2


def _can_be_misspelt(word: str) -> bool:
    right_length = 4 <= len(word) <= _LONGEST_WORD
    return right_length and word.isalpha() and not _UNSPACED.search(word)


def _conjunction(units: Sequence[str], near: Mapping[str, Sequence[str]]) -> str:
    last = len(units) - 1
    terms = [_term(unit, near.get(unit, ()), i == last) for i, unit in enumerate(units)]
    return " & ".join(terms)


def _term(unit: str, near: Sequence[str], unfinished: bool) -> str:
    asked = [f"'{word}'{':*' if begun else ''}" for word, begun in _query_words(unit, unfinished)]
    alternatives = [" <-> ".join(asked), *(f"'{word}'" for word in near)]
    return f"({' | '.join(alternatives)})"


def tokens(normalised: str) -> list[str]:
    """The tokens of a document: words, and pairs (and the last character) of unspaced runs."""
    found: list[str] = []
    for unit in normalised.split():
        if unit.isascii():
            found.append(unit[:_LONGEST_WORD])
            continue
        for part, unspaced in _split(unit):
            if unspaced:
                found += [part[i : i + 2] for i in range(len(part))]
            else:
                found.append(part[:_LONGEST_WORD])
    return found


def is_unspaced(token: str) -> bool:
    """Whether a document's token is of a script without spaces."""
    return _UNSPACED.match(token) is not None


def _query_words(unit: str, unfinished: bool) -> list[tuple[str, bool]]:
    """The words of a unit, and which of them are begun."""
    words: list[tuple[str, bool]] = []
    for part, unspaced in _split(unit):
        if not unspaced:
            words.append((part[:_LONGEST_WORD], False))
        elif len(part) == 1:
            # A single unspaced character matches as the beginning of a pair.
            words.append((part, True))
        else:
            words += [(part[i : i + 2], False) for i in range(len(part) - 1)]
    if unfinished and not _UNSPACED.search(unit[-1]):
        words[-1] = (words[-1][0], True)
    return words


def _split(unit: str) -> list[tuple[str, bool]]:
    """A word's runs with and without spaces between words: ``iphone手机`` has both."""
    parts: list[tuple[str, bool]] = []
    end = 0
    for run in _UNSPACED.finditer(unit):
        if run.start() > end:
            parts.append((unit[end : run.start()], False))
        parts.append((run.group(), True))
        end = run.end()
    if end < len(unit):
        parts.append((unit[end:], False))
    return parts
