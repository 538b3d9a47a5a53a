"""The audit finds what breaks a promise, and nothing where all is well."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.operator.audit import RULES, audit_call, audit_database
from tests.support.databases import Database

_EVENT = (
    "insert into log.events (stream_id, version, event_id, type, schema_version, data, metadata,"
    " recorded_at) values ($1, $2, gen_random_uuid(), $3, 1, $4, '{}', now() - interval '1 hour')"
    " returning seq"
)
_JOB = (
    "insert into transcoder.jobs (video_id, user_id, source_key, size, attempt, state, playable)"
    " values ($1, 'u', 'k', 1, $2, $3, false)"
)
_TASK = (
    "insert into transcoder.tasks (task_id, video_id, user_id, attempt, kind, spec, priority, cost,"
    " state, worker, seen_at) values ($1, $2, 'u', 1, 'video', '{}', 1, 1, $3, 'w',"
    " now() - interval '1 hour')"
)
_VIDEO = """
insert into catalog.videos (
    id, user_id, title, description, created_at, updated_at, tags, visibility, status, playable,
    listed, renditions, views, search, live_connected, live_ended, live_kept
) values (
    $1, 'u', 'A video', '', now(), now(), '[]', 'public', 'ready', true, true, '[]', 0, '', false,
    false, true
)
"""


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.admin_url)
    yield connection
    await connection.close()


async def event(
    owner: Any, stream: str, version: int, kind: str, *, position: int | None, data: str = "{}"
) -> None:
    seq = await owner.fetchval(_EVENT, stream, version, kind, data)
    if position is not None:
        await owner.execute("insert into log.positions values ($1, $2)", position, seq)


async def broken(owner: Any) -> set[str]:
    return {line.rule for line in await audit_database(owner, 60) if line.broken}


async def test_an_empty_installation_breaks_nothing(owner: Any) -> None:
    lines = await audit_database(owner, 60)
    assert [line.rule for line in lines] == [rule.name for rule in RULES]
    assert await broken(owner) == set()


async def test_the_log_is_checked(owner: Any) -> None:
    await event(owner, "user-a", 1, "UserRegistered", position=1)
    await event(owner, "user-a", 2, "EmailChanged", position=None)
    assert await broken(owner) == {"log.stamped"}
    await event(owner, "user-b", 2, "EmailChanged", position=3)
    assert await broken(owner) == {"log.stamped", "log.contiguous", "log.streams"}


async def test_an_upload_without_job_or_video_is_found(owner: Any) -> None:
    await event(owner, "upload-v", 1, "VideoUploaded", position=1)
    assert await broken(owner) == {"uploads.have_jobs", "uploads.are_shown"}
    await owner.execute(_JOB, "v", 1, "completed")
    await event(owner, "video-v", 1, "VideoDeleted", position=2)
    assert await broken(owner) == set()
    await event(owner, "upload-v", 2, "VideoUploaded", position=3)
    assert await broken(owner) == {"uploads.once"}


async def test_captions_that_nobody_sees_are_found(owner: Any) -> None:
    def stored(key: str) -> str:
        return json.dumps({"track": {"language": "de", "object": {"key": key}}})

    async def shown(key: str) -> None:
        captions = json.dumps([{"language": "de", "object": {"key": key, "size": 1}}])
        await owner.execute("update catalog.videos set captions = $1", captions)

    await event(owner, "video-v", 1, "CaptionsStored", position=1, data=stored("v/1"))
    assert await broken(owner) == {"captions.are_shown"}
    await owner.execute(_VIDEO, "v")
    assert await broken(owner) == {"captions.are_shown"}
    await shown("v/1")
    assert await broken(owner) == set()
    await event(owner, "video-v", 2, "CaptionsStored", position=2, data=stored("v/2"))
    assert await broken(owner) == {"captions.are_shown"}
    await shown("v/2")
    assert await broken(owner) == set()
    await owner.execute("update catalog.videos set captions = '[]'")
    await event(owner, "video-v", 3, "CaptionsRemoved", position=3, data='{"language": "en"}')
    assert await broken(owner) == {"captions.are_shown"}
    await event(owner, "video-v", 4, "CaptionsRemoved", position=4, data='{"language": "de"}')
    assert await broken(owner) == set()
    await event(owner, "video-v", 5, "CaptionsStored", position=5, data=stored("v/3"))
    await event(owner, "video-v", 6, "VideoDeleted", position=6)
    assert await broken(owner) == set()


async def test_an_attempt_that_ended_twice_is_found(owner: Any) -> None:
    await event(owner, "transcode-v", 1, "TranscodeFailed", position=1, data='{"attempt": 1}')
    await event(owner, "transcode-v", 2, "TranscodeCompleted", position=2, data='{"attempt": 2}')
    assert await broken(owner) == set()
    await event(owner, "transcode-v", 3, "TranscodeFailed", position=3, data='{"attempt": 2}')
    assert await broken(owner) == {"attempts.end_once"}


async def test_a_job_that_nothing_moves_is_found(owner: Any) -> None:
    await owner.execute(_JOB, "v", 1, "running")
    assert await broken(owner) == {"jobs.move"}
    await owner.execute(_TASK, "t", "v", "queued")
    assert await broken(owner) == set()


@pytest.mark.parametrize("state", ["failed", "cancelled", "deleted", None])
async def test_a_task_of_no_open_job_is_found(owner: Any, state: str | None) -> None:
    if state is not None:
        await owner.execute(_JOB, "v", 1, state)
    await owner.execute(_TASK, "t", "v", "queued")
    assert await broken(owner) == {"tasks.belong"}


async def test_a_running_task_of_a_silent_worker_is_found(owner: Any) -> None:
    await owner.execute(_JOB, "v", 1, "running")
    await owner.execute(_TASK, "t", "v", "running")
    assert await broken(owner) == {"tasks.are_held"}


async def test_a_service_that_does_not_answer_breaks_its_rule() -> None:
    async def away() -> list[str]:
        raise ConnectionError("refused")

    line = await audit_call("ingest.reconciled", "They agree.", away)
    assert (line.broken, line.examples) == (1, ("could not be asked: refused",))


_SESSION = (
    "insert into live.sessions (video_id, live_id, user_id, title, phase, opened_at, beat_at)"
    " values (gen_random_uuid(), gen_random_uuid(), 'u', 't', 'open',"
    " now() - interval '3 hours', now() - $1::interval)"
)


async def test_a_live_session_without_owner_that_does_not_end_is_found(owner: Any) -> None:
    await owner.execute(_SESSION, timedelta(minutes=20))
    assert await broken(owner) == set()
    await owner.execute(_SESSION, timedelta(hours=1))
    assert await broken(owner) == {"lives.end"}


async def test_a_live_that_became_no_video_is_found(owner: Any) -> None:
    await event(owner, "live-l", 1, "LiveSessionOpened", position=1, data='{"video_id": "v"}')
    await event(owner, "livesession-v", 1, "LiveConnected", position=2)
    await event(owner, "livesession-v", 2, "LivePublished", position=3)
    assert await broken(owner) == set()
    await event(owner, "livesession-v", 3, "LiveEnded", position=4)
    assert await broken(owner) == {"lives.are_recorded", "lives.are_closed"}
    await event(owner, "live-l", 2, "LiveSessionClosed", position=5, data='{"video_id": "v"}')
    await event(owner, "livesession-v", 4, "LiveRecorded", position=6)
    assert await broken(owner) == {"lives.have_jobs"}
    await event(owner, "video-v", 1, "VideoDeleted", position=7)
    assert await broken(owner) == set()
    await event(owner, "livesession-v", 5, "LiveRecorded", position=8)
    assert await broken(owner) == {"lives.are_once"}


async def test_a_live_that_is_not_kept_leaves_no_video(owner: Any) -> None:
    data = '{"record": false}'
    await event(owner, "livesession-v", 1, "LiveConnected", position=1, data=data)
    await event(owner, "livesession-v", 2, "LivePublished", position=2)
    await event(owner, "livesession-v", 3, "LiveEnded", position=3)
    assert await broken(owner) == set()


async def test_a_deleted_account_that_is_back_is_found(owner: Any) -> None:
    await event(owner, "user-a", 1, "UserDeleted", position=1, data='{"user_id": "a"}')
    await event(owner, "user-b", 1, "SessionRevoked", position=2, data='{"session_id": "s"}')
    for user in "ab":
        await owner.execute(
            "insert into auth.accounts values ($1, $1, $1, $1, $1, '', now(), now())", user
        )
    await owner.execute(
        "insert into auth.sessions values ('s', 'b', now(), now(), now() + interval '1 day', '')"
    )
    (line,) = [each for each in await audit_database(owner, 60) if each.broken]
    assert (line.rule, line.broken) == ("accounts.end", 2)
    await owner.execute("delete from auth.sessions")
    await owner.execute("delete from auth.accounts where user_id = 'a'")
    assert await broken(owner) == set()


async def test_an_upload_that_never_ends_is_found(owner: Any) -> None:
    await owner.execute(
        "insert into ingest.uploads (id, user_id, protocol, phase, key, details, expires_at)"
        " values (gen_random_uuid(), 'a', 'tus', 'ending', 'k', '{}', now() - interval '1 day')"
    )
    assert await broken(owner) == {"uploads.expire"}
