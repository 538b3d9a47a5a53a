"""Events of different writers in both orders: ingest's projections come to the same."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.projections import PendingDeletions
from services.ingest.usage_projection import StoredUsage
from shared.contracts import (
    DetailsChanged,
    Event,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodeRetried,
    UserDeleted,
    UserRegistered,
    VideoDeleted,
    VisibilityChanged,
    new_id,
    stream_id,
)
from shared.database.connect import create_engine
from tests.integration.ingest.facts import Fact, planned, uploaded
from tests.support.databases import Database
from tests.support.sequenced import sequenced

V, W, USER = new_id(), new_id(), new_id()


def transcode(event: Event) -> Fact:
    return stream_id("transcode", V), event


COMPLETED = TranscodeCompleted(
    video_id=V,
    attempt=1,
    playlist_key="p",
    duration_ms=1,
    width=1,
    height=1,
    renditions=(),
    size=1,
)
# What each writer may add to a video of whose stream the beginning is there, and to its account.
WRITERS: dict[str, list[Fact]] = {
    "ingest": [uploaded(W, USER, 7)],
    "transcoder": [
        planned(V, USER, 30, 2),
        planned(V, USER, 30, 2, counted=True),
        transcode(TranscodeFailed(video_id=V, attempt=1, code="c", reason="r")),
        transcode(COMPLETED),
        transcode(TranscodeCancelled(video_id=V, requested_by=USER)),
        transcode(TranscodeRetried(video_id=V, attempt=2, requested_by="system", plain=True)),
    ],
    "catalog": [
        (stream_id("video", V), VideoDeleted(video_id=V, user_id=USER, deleted_by=USER)),
        (stream_id("video", V), VisibilityChanged(video_id=V, visibility="private")),
        (stream_id("video", V), DetailsChanged(video_id=V, title="n", description="")),
    ],
    "auth": [
        (stream_id("user", USER), UserDeleted(user_id=USER)),
        (stream_id("user", USER), UserRegistered(user_id=USER, username="ann")),
    ],
}
BEFORE: dict[str, list[Fact]] = {
    "uploaded": [uploaded(V, USER, 5)],
    "planned": [uploaded(V, USER, 5), planned(V, USER, 10)],
    "failed": [
        uploaded(V, USER, 5),
        planned(V, USER, 10),
        transcode(TranscodeFailed(video_id=V, attempt=1, code="c", reason="r")),
    ],
}
QUERIES = (
    "select video_id, user_id, size from ingest.stored_sources order by 1",
    "select user_id, videos, bytes from ingest.stored_sums order by 1",
    "select user_id, day, ms from ingest.planned_days where ms > 0 order by 1, 2",
    "select video_id, user_id, day, ms from ingest.refundable_plans order by 1",
    "select key, reason, held from ingest.doomed_objects order by 1",
    "select id, phase, epoch from ingest.uploads order by 1",
)
OPEN = """
insert into ingest.uploads (id, user_id, protocol, phase, key, details, expires_at)
values (:id, :user, 'tus', 'open', 'k', '{}', now() + interval '1 hour')
"""


def pairs() -> Iterator[tuple[Fact, Fact]]:
    for one, other in combinations(WRITERS, 2):
        for a in WRITERS[one]:
            for b in WRITERS[other]:
                yield a, b


async def folded(connection: AsyncConnection, batches: Sequence[Sequence[Fact]]) -> list[Any]:
    """All rows of ingest's projections after these batches; nothing of them stays."""
    transaction = await connection.begin()
    try:
        await connection.execute(text(OPEN), {"id": UUID(int=1), "user": USER})
        for batch in batches:
            for projection in (PendingDeletions(timedelta(hours=1)), StoredUsage()):
                await projection.apply(connection, sequenced(batch, datetime.now(UTC)))
        return [[tuple(row) for row in await connection.execute(text(query))] for query in QUERIES]
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("before", list(BEFORE))
async def test_every_pair_comes_to_the_same_in_both_orders(database: Database, before: str) -> None:
    engine = create_engine(database.url("ingest"), size=1)
    begun = BEFORE[before]
    differing: list[tuple[str, str]] = []
    async with engine.connect() as connection:
        for a, b in pairs():
            found = [
                await folded(connection, batches)
                for batches in (
                    [begun, [a], [b]],
                    [begun, [b], [a]],
                    [begun, [a, b]],
                    [begun, [b, a]],
                    [[*begun, a, b]],
                    [[*begun, b, a]],
                )
            ]
            if any(each != found[0] for each in found):
                differing.append((type(a[1]).__name__, type(b[1]).__name__))
    await engine.dispose()
    assert differing == []


async def test_batches_of_any_size_come_to_the_same(database: Database) -> None:
    """Also where a video is deleted before it is planned, and its transcode then fails."""
    failed = transcode(TranscodeFailed(video_id=V, attempt=1, code="c", reason="r"))
    gone = WRITERS["catalog"][0]
    plan = planned(V, USER, 10)
    engine = create_engine(database.url("ingest"), size=1)
    async with engine.connect() as connection:
        found = [
            await folded(connection, batches)
            for story in ([plan, failed, gone], [plan, gone, failed], [gone, plan, failed])
            for batches in (
                [[uploaded(V, USER, 5), *story]],
                [[uploaded(V, USER, 5)], *([fact] for fact in story)],
                [[uploaded(V, USER, 5), story[0]], story[1:]],
            )
        ]
    await engine.dispose()
    assert all(each == found[0] for each in found), found
