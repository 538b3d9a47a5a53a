"""By which terms search finds a video, and how much each weighs. Pure.

Terms are words, and the first letters of words: a search for a term reads the heaviest of its rows,
however many videos have it. A video has rows for its heaviest terms only; that it has others is
known to the index of its words (``VideoRow.search``).
"""

import math
from collections.abc import Mapping
from typing import Final

from services.catalog.read_model.text_analysis import Part, is_unspaced, normalise, tokens
from services.catalog.rows import VideoRow, VideoTermRow

LONGEST_BEGINNING: Final = 4
"""Longer beginnings of words are looked up as the words that begin so."""

WORDS: Final = 10
BEGINNINGS: Final = 6
"""Terms of a video: so many words, and so many beginnings of each length."""

# In thousandths, as ``ts_rank_cd`` weighs hits: title, tags, description.
_WEIGHTS: Final[Mapping[str, int]] = {"A": 1000, "B": 500, "D": 100}
# A word's positions that a tsvector keeps.
_MOST_PLACES: Final = 250
_VIEWS_BITS: Final = 6
# The number of views counts in powers of two, so that few of them change a row.
_FIRST_VIEWS_BIT: Final = 2


def beginning(letters: str) -> str:
    """The term of words that begin so. No word has an asterisk."""
    return f"{letters}*"


def views_band(views: int) -> int:
    """One more each time that the number of views doubles, from four on."""
    return min((views >> _FIRST_VIEWS_BIT).bit_length(), (1 << _VIEWS_BITS) - 1)


def term_rows(video: VideoRow) -> list[VideoTermRow]:
    """The rows of a video's terms; none if lists do not show it.

    ``score`` is, for a search for this term alone, the order in which search shows videos, but for
    views between two powers of two.
    """
    if not video.listed:
        return []
    weights, length = _weighed(
        (
            (normalise(video.title), "A"),
            (normalise(" ".join(video.tags)), "B"),
            (normalise(video.description), "D"),
        )
    )
    kept = _heaviest(weights, WORDS)
    for letters in range(1, LONGEST_BEGINNING + 1):
        kept |= _heaviest(_beginnings(weights, letters), BEGINNINGS)
    # As ts_rank_cd with normalisation 1: a hit in a long text counts less than one in a short text.
    scale, band = math.log(length + 1), views_band(video.views)
    return [
        VideoTermRow(
            video_id=video.id, term=term, score=(round(weight / scale) << _VIEWS_BITS) | band
        )
        for term, weight in kept.items()
    ]


def _weighed(parts: tuple[Part, ...]) -> tuple[dict[str, int], int]:
    """The weight of each word, and the number of words."""
    weights: dict[str, int] = {}
    places: dict[str, int] = {}
    for text, weight in parts:
        for token in tokens(text):
            found = places[token] = places.get(token, 0) + 1
            if found <= _MOST_PLACES:
                weights[token] = weights.get(token, 0) + _WEIGHTS[weight]
    return weights, sum(min(found, _MOST_PLACES) for found in places.values())


def _beginnings(weights: Mapping[str, int], letters: int) -> dict[str, int]:
    """The weights of the words' first letters."""
    found: dict[str, int] = {}
    for token, weight in weights.items():
        # Words of scripts without spaces are begun with one character, and not with more.
        if len(token) >= letters and (letters == 1 or not is_unspaced(token)):
            term = beginning(token[:letters])
            found[term] = found.get(term, 0) + weight
    return found


def _heaviest(weights: Mapping[str, int], most: int) -> dict[str, int]:
    """The heaviest terms; of equal ones, those that come first in the text."""
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    return dict(ordered[:most])
