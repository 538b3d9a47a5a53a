"""A library of made-up videos whose words are as frequent as those of a language, and queries.

Words are made of syllables, so that many begin alike; titles are short, descriptions of all
lengths, and few videos have most of the views.
"""

import hashlib
import itertools
import json
import random
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from services.catalog.read_model.terms import term_rows
from services.catalog.read_model.text_analysis import normalise, vector, vocabulary
from services.catalog.rows import VideoRow, VideoTermRow
from tests.support.databases import Database

_SYLLABLES: Final = tuple("".join(pair) for pair in itertools.product("bcdfgklmnprstvz", "aeiou"))
_WORDS: Final = 30_000
_BATCH: Final = 2000
_BEGAN: Final = datetime(2020, 1, 1, tzinfo=UTC)


def made_words() -> list[str]:
    """Words, the most frequent first: short ones mostly, and one-letter and two-letter ones."""
    dice = random.Random(1)
    words = ["a", "de", "the", "in", "no"]
    known = set(words)
    while len(words) < _WORDS:
        syllables = min(1 + int(dice.expovariate(0.55)) + (len(words) > 200), 6)
        word = "".join(dice.choice(_SYLLABLES) for _ in range(syllables))
        word += dice.choice(("", "", "n", "s", "r"))
        if word not in known:
            known.add(word)
            words.append(word)
    return words


class Library:
    """Videos by number, always the same."""

    def __init__(self) -> None:
        self.words = made_words()
        weights = [1 / (place + 3) for place in range(len(self.words))]
        self._summed = list(itertools.accumulate(weights))

    def video(self, number: int) -> VideoRow:
        """The video with this number, from 1."""
        dice = random.Random(number)
        words = self._drawn(dice, 3 + int(dice.expovariate(0.35)))
        described = min(int(dice.expovariate(1 / 30)), 400)
        tags = self._drawn(dice, dice.randrange(5))
        # What a title says, its description says again.
        description = [*self._drawn(dice, described), *(words[:3] if described > 5 else ())]
        at = _BEGAN + timedelta(minutes=number)
        video = VideoRow(
            id=video_id(number),
            user_id="somebody",
            title=" ".join(words)[:200],
            description=" ".join(description)[:5000],
            tags=tuple(dict.fromkeys(tags)),
            created_at=at,
            updated_at=at,
            status="ready",
            playable=True,
            listed=True,
            views=int(dice.paretovariate(0.8)) - 1,
        )
        parts = (video.title, "A"), (" ".join(video.tags), "B"), (video.description, "D")
        video.search = vector([(normalise(text), weight) for text, weight in parts])
        return video

    def _drawn(self, dice: random.Random, count: int) -> list[str]:
        return dice.choices(self.words, cum_weights=self._summed, k=count)


def queries(count: int) -> list[str]:
    """What people may ask for: words of all frequencies, begun ones, several, misspelt ones."""
    library, dice = Library(), random.Random(2)
    made: list[str] = []
    for number in range(count):
        words = library.video(dice.randrange(1, 1000)).title.split()
        frequent = library.words[int(200 * dice.random() ** 2)]
        seldom = library.words[dice.randrange(1000, 20_000)]
        first, last = words[0], words[-1]
        made.append(
            (
                frequent,
                first,
                seldom,
                dice.choice("abcdfklmst"),
                (frequent + "e")[:2],
                first[:3],
                last[:4],
                f"{first} {last}",
                f"{frequent} {first}",
                f"{frequent} {last[:2]}",
                " ".join(words[:3]),
                f"{library.words[number % 30]} {frequent[:3]}",
            )[number % 12]
        )
    return made


def video_id(number: int) -> str:
    """The id of the video with this number."""
    return str(uuid.UUID(hashlib.md5(str(number).encode()).hexdigest()))


_COPIED: Final = ("id", "title", "description", "tags", "created_at", "views", "search")

_INSERT: Final = """
insert into catalog.videos (
    id, user_id, title, description, created_at, updated_at, tags, visibility, status,
    playable, listed, renditions, views, search, live_connected, live_ended, live_kept
)
select id, 'somebody', title, description, created_at, created_at, tags::jsonb, 'public', 'ready',
       true, true, '[]', views, search::tsvector, false, false, true
from made
"""

_LATER: Final = """
select indexname, indexdef from pg_indexes where schemaname = 'catalog'
and (tablename = 'video_terms' or indexname = 'ix_videos_search')
"""


async def fill(database: Database, videos: int) -> None:
    """Make the videos with the numbers up to ``videos``, and their terms."""
    library = Library()
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute(
            "create temporary table made (id text, title text, description text, tags text,"
            " created_at timestamptz, views bigint, search text)"
        )
        # Over full tables they are made faster than row by row.
        later = await connection.fetch(_LATER)
        for index in later:
            await connection.execute(f"drop index catalog.{index['indexname']}")
        for batch in _batches(range(1, videos + 1)):
            made = [library.video(number) for number in batch]
            await _copy(connection, "made", None, _COPIED, map(_copied, made))
            await connection.execute(_INSERT)
            await connection.execute("truncate made")
            terms = [msgspec.structs.astuple(row) for video in made for row in term_rows(video)]
            await _copy(connection, "video_terms", "catalog", VideoTermRow.__struct_fields__, terms)
        for index in later:
            await connection.execute(index["indexdef"])
        known = [(word,) for word in vocabulary(library.words)]
        await _copy(connection, "words", "catalog", ["word"], known)
        # As autovacuum does: index-only scans need the visibility map, plans need statistics.
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def _batches(numbers: range) -> Iterable[range]:
    return (numbers[first : first + _BATCH] for first in range(0, len(numbers), _BATCH))


async def _copy(
    connection: Any, table: str, schema: str | None, columns: Sequence[str], rows: Iterable[Any]
) -> None:
    await connection.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)


def _copied(video: VideoRow) -> tuple[Any, ...]:
    tags = json.dumps(video.tags)
    return (
        *(video.id, video.title, video.description, tags),
        *(video.created_at, video.views, video.search),
    )
