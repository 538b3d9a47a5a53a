"""The promises, each as a rule over log, tables, queues and buckets.

A rule names what breaks it. Work under way breaks none: a rule looks only at what has had
``settle_seconds`` to come right, and the caller may ask again.
"""

# ruff: noqa: S608 - statements are put together from constants of this module only

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

# A rule names this many violations and counts the rest.
_NAMED: Final = 20


class Rule(msgspec.Struct, frozen=True):
    """A promise. ``sql`` selects a text for each thing that breaks it; ``$1`` is settle_seconds."""

    name: str
    promise: str
    sql: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one rule: the number of violations, of which ``examples`` are named."""

    rule: str
    promise: str
    broken: int
    examples: tuple[str, ...] = ()


_OLD = "recorded_at < now() - make_interval(secs => $1)"
# How long a session may wait for its publisher at most.
_LONGEST_WINDOW = "30 minutes"
_ENDED = "('completed', 'failed', 'cancelled', 'deleted')"

RULES: Final = (
    Rule(
        "log.contiguous",
        "Every position of the log holds exactly one event.",
        "select 'the log has ' || count(*) || ' positions up to ' || coalesce(max(position), 0)"
        " from log.positions where $1::float8 >= 0 having count(*) <> coalesce(max(position), 0)",
    ),
    Rule(
        "log.stamped",
        "Every event gets a position.",
        "select e.stream_id || ' version ' || e.version from log.events e"
        f" left join log.positions p using (seq) where p.seq is null and e.{_OLD}",
    ),
    Rule(
        "log.streams",
        "The versions of a stream are 1, 2, 3 and so on.",
        "select stream_id || ' has ' || count(*) || ' events up to version ' || max(version)"
        " from log.events where $1::float8 >= 0 group by stream_id"
        " having count(*) <> max(version) or min(version) <> 1",
    ),
    Rule(
        "uploads.once",
        "An upload is acknowledged once.",
        "select stream_id || ': ' || count(*) from log.events where type = 'VideoUploaded'"
        " and $1::float8 >= 0 group by stream_id having count(*) <> 1",
    ),
    Rule(
        "uploads.have_jobs",
        "Every acknowledged upload has a job.",
        "select substr(e.stream_id, 8) from log.events e where e.type = 'VideoUploaded'"
        f" and e.{_OLD} and not exists"
        " (select from transcoder.jobs j where j.video_id = substr(e.stream_id, 8))",
    ),
    Rule(
        "uploads.are_shown",
        "Every acknowledged upload is a video of the catalog until it is deleted.",
        "select substr(e.stream_id, 8) from log.events e where e.type = 'VideoUploaded'"
        f" and e.{_OLD} and not exists"
        " (select from catalog.videos v where v.id = substr(e.stream_id, 8))"
        " and not exists (select from log.events d where d.stream_id ="
        " 'video-' || substr(e.stream_id, 8) and d.type = 'VideoDeleted')",
    ),
    Rule(
        "captions.are_shown",
        "Captions that were stored are shown until they are replaced, removed, or the video is.",
        "select e.stream_id || ' ' || (e.data->'track'->>'language') from log.events e"
        f" where e.type = 'CaptionsStored' and e.{_OLD} and not exists"
        " (select from log.events l where l.stream_id = e.stream_id and l.version > e.version"
        " and (l.type = 'VideoDeleted' or (l.type in ('CaptionsStored', 'CaptionsRemoved')"
        " and coalesce(l.data->'track'->>'language', l.data->>'language')"
        " = e.data->'track'->>'language')))"
        " and not exists (select from catalog.videos v where 'video-' || v.id = e.stream_id"
        " and v.captions @> jsonb_build_array(jsonb_build_object('object', jsonb_build_object("
        "'key', e.data->'track'->'object'->'key'))))",
    ),
    Rule(
        "lives.end",
        "No live session stays open when its owner and its publisher are gone.",
        "select video_id || ' of ' || coalesce(replica, 'nobody') from live.sessions"
        " where phase = 'open'"
        " and greatest(opened_at, beat_at, media_at) < now() - make_interval(secs => $1)"
        f" - interval '{_LONGEST_WINDOW}'",
    ),
    Rule(
        "lives.are_recorded",
        "Every live session that has ended with segments, and is kept, is a video.",
        "select substr(e.stream_id, 13) from log.events e where e.type = 'LiveEnded'"
        f" and e.{_OLD} and not exists (select from log.events r where r.stream_id = e.stream_id"
        " and (r.type = 'LiveRecorded' or (r.type = 'LiveConnected'"
        " and r.data->>'record' = 'false')))"
        " and exists (select from log.events p where p.stream_id = e.stream_id"
        " and p.type = 'LivePublished') and not exists (select from log.events d"
        " where d.stream_id = 'video-' || substr(e.stream_id, 13) and d.type = 'VideoDeleted')",
    ),
    Rule(
        "lives.are_once",
        "A live session ends once, and is recorded once.",
        "select stream_id || ': ' || count(*) || ' × ' || type from log.events"
        " where type in ('LiveEnded', 'LiveRecorded') and $1::float8 >= 0"
        " group by stream_id, type having count(*) > 1",
    ),
    Rule(
        "lives.are_closed",
        "A live stream is free for the next session when the last one has ended.",
        "select o.stream_id || ': ' || (o.data->>'video_id') from log.events o"
        f" where o.type = 'LiveSessionOpened' and o.{_OLD} and exists (select from log.events e"
        " where e.stream_id = 'livesession-' || (o.data->>'video_id') and e.type = 'LiveEnded'"
        f" and e.{_OLD}) and not exists (select from log.events c where"
        " c.stream_id = o.stream_id and c.type = 'LiveSessionClosed'"
        " and c.data->>'video_id' = o.data->>'video_id')",
    ),
    Rule(
        "lives.have_jobs",
        "Every recorded live has a job, and is a video of the catalog until it is deleted.",
        "select substr(e.stream_id, 13) from log.events e where e.type = 'LiveRecorded'"
        f" and e.{_OLD} and not exists (select from log.events d where d.stream_id ="
        " 'video-' || substr(e.stream_id, 13) and d.type = 'VideoDeleted')"
        " and not (exists (select from transcoder.jobs j where"
        " j.video_id = substr(e.stream_id, 13)) and exists"
        " (select from catalog.videos v where v.id = substr(e.stream_id, 13)))",
    ),
    Rule(
        "attempts.end_once",
        "An attempt ends once.",
        "select stream_id || ' attempt ' || (data->>'attempt') || ': ' || string_agg(type, ', ')"
        " from log.events where type in ('TranscodeCompleted', 'TranscodeFailed',"
        " 'TranscodeCancelled') and $1::float8 >= 0 group by stream_id, data->>'attempt'"
        " having count(*) > 1",
    ),
    Rule(
        "jobs.move",
        "No job stands still: an open one has a task that is done, waits for its time or is held.",
        "select j.video_id || ' is ' || j.state from transcoder.jobs j"
        f" where j.state not in {_ENDED} and not exists (select from transcoder.tasks t where"
        " t.video_id = j.video_id and t.attempt = j.attempt and t.state <> 'done')"
        " and not exists (select from log.events e where e.stream_id ="
        " 'transcode-' || j.video_id and e.recorded_at > now() - make_interval(secs => $1))"
        " and not exists (select from log.events e where e.stream_id ="
        " 'upload-' || j.video_id and e.recorded_at > now() - make_interval(secs => $1))",
    ),
    Rule(
        "tasks.belong",
        "Every open task belongs to the current attempt of an open job.",
        "select t.task_id || ' is ' || t.state || ', its job ' || coalesce(j.state, 'unknown')"
        " from transcoder.tasks t left join transcoder.jobs j using (video_id)"
        " where $1::float8 >= 0 and t.state <> 'done' and (j.video_id is null"
        " or j.state in ('failed', 'cancelled', 'deleted') or t.attempt < j.attempt)",
    ),
    Rule(
        "tasks.are_held",
        "A running task is renewed by its worker, or taken back.",
        "select task_id || ' of ' || coalesce(worker, 'nobody') from transcoder.tasks"
        " where state = 'running' and seen_at < now() - make_interval(secs => $1)",
    ),
    Rule(
        "accounts.end",
        "Of a deleted account and of an ended session nothing is kept that lets somebody in.",
        "select e.stream_id || ' ' || e.type from log.events e"
        f" where e.type in ('UserDeleted', 'SessionRevoked') and e.{_OLD} and (exists"
        " (select from auth.accounts a where e.type = 'UserDeleted'"
        " and a.user_id = e.data->>'user_id') or exists"
        " (select from auth.sessions s where e.type = 'SessionRevoked'"
        " and s.session_id = e.data->>'session_id'))",
    ),
    Rule(
        "uploads.expire",
        "An upload that was abandoned is removed.",
        "select id || ' expired at ' || expires_at from ingest.uploads"
        " where phase in ('open', 'ending')"
        " and expires_at < now() - make_interval(secs => $1) - interval '1 hour'",
    ),
)


async def audit_database(connection: Any, settle_seconds: float) -> list[Line]:
    """One line for each rule.

    ``connection`` is an asyncpg connection as the owner. The rules see one snapshot.
    """
    lines: list[Line] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for rule in RULES:
            rows = await connection.fetch(
                f"select found from ({rule.sql}) as broken(found) limit 10001",
                settle_seconds,
            )
            lines.append(_line(rule.name, rule.promise, [row["found"] for row in rows]))
    return lines


async def audit_call(name: str, promise: str, look: Callable[[], Awaitable[Sequence[str]]]) -> Line:
    """The line of a rule that asks a service; that it does not answer breaks the rule."""
    try:
        return _line(name, promise, await look())
    except Exception as error:
        return _line(name, promise, [f"could not be asked: {error}"])


def _line(name: str, promise: str, found: Sequence[str]) -> Line:
    return Line(rule=name, promise=promise, broken=len(found), examples=tuple(found[:_NAMED]))
