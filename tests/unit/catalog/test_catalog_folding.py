"""Folding gives the same rows for any division of the events into batches."""

import copy
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.api_models import Note, to_job
from services.catalog.read_model.folding import IGNORED, Fold, tag_rows
from services.catalog.read_model.terms import term_rows
from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    EncodedTrack,
    Event,
    LiveConnected,
    SourceNote,
    TranscodePlanned,
    TranscodeRetried,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    VideoUploaded,
    category_of,
    entity_of,
    stream_id,
)
from shared.event_store.store import Metadata, SequencedEvent
from tests.support.catalog_stories import recorded
from tests.unit.transcoder.facts_about import plan


class Tables:
    """Dictionaries in place of the tables that a fold is written to."""

    def __init__(self) -> None:
        self.users: dict[str, Any] = {}
        self.videos: dict[str, Any] = {}
        self.jobs: dict[str, Any] = {}
        self.tags: dict[str, Any] = {}
        self.terms: dict[str, Any] = {}
        self.words: set[str] = set()
        self.feed: list[Any] = []

    def apply(self, batch: list[SequencedEvent]) -> None:
        fold = Fold()
        ids = {entity_of(event.stream_id) for event in batch}
        # As the projection does: the owners of the videos, too.
        ids |= {self.jobs[i].user_id for i in ids if i in self.jobs}
        ids |= {self.videos[i].user_id for i in ids if i in self.videos}
        for event in batch:
            if isinstance(event.data, UploadStarted | VideoUploaded | LiveConnected):
                ids.add(event.data.user_id)
        for name in ("users", "videos", "jobs"):
            rows = getattr(self, name)
            getattr(fold, name).update({i: copy.copy(rows[i]) for i in ids if i in rows})
        for event in batch:
            fold.apply(event)
        for name in ("users", "videos", "jobs"):
            rows, new = getattr(self, name), getattr(fold, name)
            for id_ in getattr(fold, f"changed_{name}"):
                if id_ in new:
                    rows[id_] = new[id_]
                else:
                    rows.pop(id_, None)
        for id_ in fold.retagged:
            self.tags.pop(id_, None)
            if id_ in fold.videos:
                self.tags[id_] = tag_rows(fold.videos[id_])
        for id_ in fold.reworded:
            self.terms.pop(id_, None)
            if id_ in fold.videos:
                self.terms[id_] = term_rows(fold.videos[id_])
        for video in self.videos.values():
            if video.user_id in fold.forgotten_users and video.listed:
                video.listed = False
                self.tags[video.id] = tag_rows(video)
                self.terms[video.id] = term_rows(video)
        self.words |= fold.words
        self.feed = [row for row in self.feed if row.user_id not in fold.forgotten_users]
        self.feed += fold.feed

    def dump(self) -> bytes:
        return msgspec.json.encode(
            [
                *(self.users, self.videos, self.jobs, self.tags, self.terms),
                *(sorted(self.words), self.feed),
            ],
            order="deterministic",
        )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_batches_make_no_difference(seed: int, cuts: int) -> None:
    log = recorded(seed, 150)
    whole, pieces, single = Tables(), Tables(), Tables()

    whole.apply(log)
    chance = random.Random(cuts)
    rest = log
    while rest:
        size = chance.randint(1, 40)
        pieces.apply(rest[:size])
        rest = rest[size:]
    for event in log:
        single.apply([event])

    assert whole.dump() == pieces.dump() == single.dump()


def test_the_stories_reach_every_kind_of_row() -> None:
    tables = Tables()
    log = recorded(1, 600)
    tables.apply(log)

    assert {category_of(event.stream_id) for event in log} == {
        "user",
        "upload",
        "transcode",
        "video",
        "livesession",
    }
    assert {video.status for video in tables.videos.values()} == {
        "processing",
        "ready",
        "failed",
        "live",
    }
    assert {job.status for job in tables.jobs.values()} >= {"pending", "failed", "completed"}
    assert any(user.deleted for user in tables.users.values())
    assert any(video.listed for video in tables.videos.values())
    # Those that an event has made anew, and those that none has, are what their videos say.
    for video in tables.videos.values():
        assert tables.terms.get(video.id, []) == term_rows(video)
    assert tables.feed
    assert tables.words


def test_what_a_rebuild_leaves_unread_changes_nothing() -> None:
    track = EncodedTrack(
        name="360p", timescale=30_000, codecs="avc1", init_key="i", init_sha256="0" * 64
    )
    fact: dict[str, Any] = {
        "attempt": 1,
        "tracks": (track,),
        "worker": "w",
        "try_number": 1,
        "elapsed_ms": 1,
    }
    ignored = 0
    for seed in range(5):
        log = recorded(seed, 300)
        whole, part = Fold(), Fold()
        for event in log:
            whole.apply(event)
            part.apply(event)
            if not isinstance(event.data, TranscodePlanned):
                continue
            video = event.data.video_id
            for extra in (
                ChunkEncoded(video_id=video, chunk=0, speed=1.0, **fact),
                AudioEncoded(video_id=video, **fact),
            ):
                assert type(extra).__name__ in IGNORED
                ignored += 1
                whole.apply(msgspec.structs.replace(event, data=extra, type=type(extra).__name__))
        assert (whole.users, whole.videos, whole.jobs) == (part.users, part.videos, part.jobs)
        assert (whole.feed, whole.words) == (part.feed, part.words)
    assert ignored > 50


@pytest.mark.parametrize(
    ("event", "stage", "code", "message"),
    [
        (UploadRejected(video_id="v", user_id="u", code="c", reason="r"), "rejected", "c", "r"),
        (
            UploadExpired(video_id="v", user_id="u"),
            "expired",
            "upload_expired",
            "The upload was not finished in time.",
        ),
        (
            UploadAborted(video_id="v", user_id="u", reason="client"),
            "aborted",
            "upload_aborted",
            "The upload was cancelled.",
        ),
    ],
)
def test_an_upload_that_ends_without_a_video_fails_its_job(
    event: Event, stage: str, code: str, message: str
) -> None:
    fold = Fold()
    started = UploadStarted(video_id="v", user_id="u", protocol="tus", title="Sea")
    fold.apply(_at(1, started))
    fold.apply(_at(2, event))

    job = fold.jobs["v"]
    assert (job.status, job.stage, job.title) == ("failed", stage, "Sea")
    assert (job.error_code, job.error_message) == (code, message)
    assert job.updated_at - job.created_at == timedelta(seconds=1)

    alone = Fold()
    alone.apply(_at(2, event))
    assert (alone.jobs, alone.changed_jobs) == ({}, set())


def test_a_jobs_notes_are_those_of_the_attempts_plan() -> None:
    fold = Fold()
    fold.apply(_at(1, UploadStarted(video_id="v", user_id="u", protocol="tus", title="Sea")))
    told = SourceNote(code="sound_left_out", text="A sound track was left out.")
    planned = plan()
    source = msgspec.structs.replace(planned.source, notes=(told,))
    planned = msgspec.structs.replace(planned, source=source)
    fold.apply(_at(2, planned))
    assert fold.jobs["v"].notes == (told,)
    assert to_job(msgspec.structs.asdict(fold.jobs["v"])).notes == [
        Note(code=told.code, text=told.text)
    ]

    fold.apply(_at(3, TranscodeRetried(video_id="v", attempt=2, requested_by="u")))
    assert fold.jobs["v"].notes == ()


def _at(position: int, event: Event) -> SequencedEvent:
    return SequencedEvent(
        stream_id=stream_id("transcode" if hasattr(event, "attempt") else "upload", "v"),
        version=position,
        type=type(event).__name__,
        data=event,
        event_id=UUID(int=position),
        metadata=Metadata(),
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=position),
        position=position,
    )
