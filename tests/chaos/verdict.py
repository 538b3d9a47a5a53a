"""After the storm: everything that must hold, and what does not."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from deploy.local.environments import tool_environment
from services.transcoder.coordinator.media_objects import referenced, required
from services.transcoder.coordinator.missing_media import expected_keys
from services.transcoder.handlers import state_of
from shared.event_store.postgres import open_event_store
from tests.chaos.looking import broker_of, buckets_of, patiently, rows
from tests.chaos.scene import Sacrifices
from tests.chaos.uploads import Acknowledged
from tests.support.forked import run_service
from tests.support.stack import RunningStack
from tests.support.threads import run

_OPEN_JOBS = """
select video_id, state from transcoder.jobs
where state not in ('completed', 'failed', 'cancelled', 'deleted') or clean_at is not null
"""
_COUNTS = """
select stream_id, type, count(*) from log.events
where type in ('VideoUploaded', 'TranscodeCompleted', 'TranscodeFailed') group by 1, 2
"""
# Requests at a time: of 300 videos there are some thousands.
_AT_ONCE = 4
_JOBS = "select id, status, error_message, playable from catalog.jobs"


class Verdict:
    """Asks every question again until it is answered well or patience ends."""

    def __init__(
        self,
        stack: RunningStack,
        kept: Sequence[Acknowledged],
        sacrifices: Sacrifices,
        patience: float,
    ) -> None:
        self._stack = stack
        self._kept = kept
        self._sacrifices = sacrifices
        self._deadline = time.monotonic() + patience
        self._buckets = buckets_of(stack)

    def problems(self) -> list[str]:
        """Everything that does not hold; what still changes gets the time to."""
        found: list[str] = []
        for question in (
            self._all_processes_are_up,
            self._all_is_said,
            self._the_deleted_are_gone,
            self._failed_repairs_are_recorded,
            self._nothing_stays_damaged,
            self._the_log_agrees_with_the_bucket,
            self._nothing_is_orphaned,
            self._the_queues_are_empty,
        ):
            found += self._patiently(question)
        for question in (
            self._each_is_once,
            self._each_plays,
            self._sources_are_whole,
            self._read_models_are_rebuilt_equal,
            self._nothing_is_parked,
            self._the_audit_finds_nothing,
        ):
            found += patiently(question)
        return found

    def _patiently(self, question: Callable[[], list[str]]) -> list[str]:
        while True:
            found = patiently(question)
            if not found or time.monotonic() > self._deadline:
                return found
            time.sleep(1)

    def _all_processes_are_up(self) -> list[str]:
        return [
            f"{status.name} is {status.state}: {status.reason}"
            for status in self._stack.statuses
            if status.state not in ("up", "done")
        ]

    def _all_is_said(self) -> list[str]:
        """Every acknowledged upload has ended: as a video, or with a reason."""
        jobs = {row[0]: row for row in rows(self._stack, _JOBS)}
        found = [f"{row[0]} is {row[1]} for the planner" for row in rows(self._stack, _OPEN_JOBS)]
        for upload in self._kept:
            _, status, reason, playable = jobs.get(upload.video_id, ("", "unknown", None, False))
            if status == "failed" and reason and not upload.clip.good:
                continue
            if status != "completed" or not playable or not upload.clip.good:
                found.append(f"{upload.video_id} ({upload.protocol}) is {status}: {reason}")
        return found

    def _the_deleted_are_gone(self) -> list[str]:
        """For everybody, and with all that was made of them."""
        states = dict(rows(self._stack, "select video_id, state from transcoder.jobs"))
        shown = {row[0] for row in rows(self._stack, "select id from catalog.videos")}
        return [
            f"{video_id} was deleted: it is {states.get(video_id)}, shown: {video_id in shown}"
            for video_id in self._sacrifices.deleted
            if states.get(video_id, "deleted") != "deleted" or video_id in shown
        ]

    def _failed_repairs_are_recorded(self) -> list[str]:
        """A video without its source stays what it was, and what is missing is known."""
        found = rows(
            self._stack, "select stream_id from log.events where type = 'MediaRepairFailed'"
        )
        failed = {row[0].removeprefix("transcode-") for row in found}
        lost = set(self._sacrifices.without_source)
        completed = set(self._completed())
        return [
            f"{video_id} lost media and source: failed repair {video_id in failed},"
            f" completed {video_id in completed}"
            for video_id in sorted(lost)
            if video_id not in failed & completed
        ]

    def _nothing_stays_damaged(self) -> list[str]:
        """Damaged objects that their videos still need have been made again."""
        damaged = self._sacrifices.damaged

        async def needed() -> list[str]:
            async with open_event_store(self._stack.stack.urls.postgres, connections=2) as store:
                states = {key: await state_of(store, key.partition("/")[0]) for key in damaged}
            # What compaction replaced is kept for a while, for players that began before it.
            return [
                key
                for key, state in states.items()
                if key in expected_keys(key.partition("/")[0], state) - state.unrepairable
            ]

        client: Any = self._buckets.client()
        there = set(self._buckets.keys(self._buckets.media))
        found: list[str] = []
        for key in run(needed):
            if key not in there:
                found.append(f"missing since it was damaged: {key}")
                continue
            body = client.get_object(Bucket=self._buckets.media, Key=key)["Body"].read()
            if hashlib.sha256(body).hexdigest() == damaged[key]:
                found.append(f"still damaged: {key}")
        return found

    def _completed(self) -> list[str]:
        found = rows(self._stack, "select video_id from transcoder.jobs where state = 'completed'")
        return [row[0] for row in found]

    def _expected(self) -> tuple[set[str], set[str]]:
        """Keys that must be in the media bucket, and those that may be."""
        completed = self._completed()

        async def ask() -> tuple[set[str], set[str]]:
            must: set[str] = set()
            may: set[str] = set()
            async with open_event_store(self._stack.stack.urls.postgres, connections=2) as store:
                for video_id in completed:
                    state = await state_of(store, video_id)
                    must |= required(video_id, state) - state.unrepairable
                    may |= referenced(video_id, state)
            return must, may

        return run(ask)

    def _the_log_agrees_with_the_bucket(self) -> list[str]:
        must, _ = self._expected()
        missing = must - set(self._buckets.keys(self._buckets.media))
        return [f"missing in the bucket: {key}" for key in sorted(missing)]

    def _nothing_is_orphaned(self) -> list[str]:
        _, may = self._expected()
        media = set(self._buckets.keys(self._buckets.media)) - may
        lives = rows(
            self._stack, "select distinct stream_id from log.events where type = 'LiveConnected'"
        )
        # What its owner stored in the moment of its death, and nobody named, stays with the video.
        own = tuple(f"{row[0].removeprefix('livesession-')}/live/" for row in lives)
        media = {key for key in media if not key.startswith(own)} if own else media
        known = rows(
            self._stack,
            "select data->>'source_key' from log.events where type = 'VideoUploaded'",
        )
        gone = {f"{video_id}/source" for video_id in self._sacrifices.deleted}
        sources = set(self._buckets.keys(self._buckets.sources))
        sources -= {row[0] for row in known} - gone
        client: Any = self._buckets.client()
        unfinished = client.list_multipart_uploads(Bucket=self._buckets.sources).get("Uploads", ())
        return [
            *(f"orphan: {key}" for key in sorted(media | sources)),
            *(f"unfinished multipart upload: {part['Key']}" for part in unfinished),
        ]

    def _the_queues_are_empty(self) -> list[str]:
        queues = broker_of(self._stack).queues()
        return [
            f"{name} holds {queue['messages']} messages"
            for name, queue in queues.items()
            if queue.get("messages", 0)
        ]

    def _each_is_once(self) -> list[str]:
        counts = {(row[0], row[1]): row[2] for row in rows(self._stack, _COUNTS)}
        found: list[str] = []
        for upload in self._kept:
            uploaded = counts.get((f"upload-{upload.video_id}", "VideoUploaded"), 0)
            stream = f"transcode-{upload.video_id}"
            completed = counts.get((stream, "TranscodeCompleted"), 0)
            failed = counts.get((stream, "TranscodeFailed"), 0)
            if uploaded != 1 or completed + failed != 1:
                found.append(
                    f"{upload.video_id}: {uploaded} uploads, {completed} completions, "
                    f"{failed} failures"
                )
        if len({upload.video_id for upload in self._kept}) != len(self._kept):
            found.append("two uploads were acknowledged with one id")
        return found

    def _each_plays(self) -> list[str]:
        """Every playlist and every segment in it, as a player would ask for them."""
        good = [upload for upload in self._kept if upload.clip.good]
        with (
            httpx.Client(base_url=self._stack.url, timeout=30, trust_env=False) as client,
            ThreadPoolExecutor(_AT_ONCE) as pool,
        ):
            found = pool.map(lambda upload: unplayable(client, upload.video_id), good)
            return [problem for problems in found for problem in problems]

    def _sources_are_whole(self) -> list[str]:
        client: Any = self._buckets.client()

        def differs(upload: Acknowledged) -> bool:
            stored = client.get_object(
                Bucket=self._buckets.sources, Key=f"{upload.video_id}/source"
            )
            return hashlib.sha256(stored["Body"].read()).hexdigest() != upload.clip.sha256

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(self._kept, pool.map(differs, self._kept), strict=True)
            return [
                f"{upload.video_id}: the source is not what was sent"
                for upload, other in found
                if other
            ]

    def _read_models_are_rebuilt_equal(self) -> list[str]:
        login = {"DATABASE_ADMIN_URL": self._stack.stack.urls.postgres}
        rebuild = run_service(
            *("services.catalog.main", "rebuild", "--verify"),
            env={**self._stack.environment("projector"), **login},
            timeout=300,
        )
        if rebuild.returncode != 0:
            return [f"the rebuild failed: {rebuild.stderr[-2000:]}"]
        report = json.loads(rebuild.stdout)
        return [f"differs from a rebuild: {row}" for row in report["differences"]]

    def _the_audit_finds_nothing(self) -> list[str]:
        """The operator's own audit, by its own rules."""
        ended = run_service(
            *("services.operator.main", "audit", "--settle", "30"),
            env=tool_environment(self._stack.stack, "cli"),
            timeout=300,
        )
        return [] if ended.returncode == 0 else [f"audit: {ended.stdout}{ended.stderr}"]

    def _nothing_is_parked(self) -> list[str]:
        return [
            f"{schema}: {row[0]} is parked: {row[1]}"
            for schema in ("catalog", "ingest", "transcoder")
            for row in rows(self._stack, f"select stream_id, reason from {schema}.parked_events")
        ]


def unplayable(client: httpx.Client, video_id: str) -> list[str]:
    """What of a video cannot be fetched: every playlist and every segment in it is asked for."""
    answer = client.get(f"/api/v1/streaming/id/{video_id}")
    if not answer.is_success:
        return [f"{video_id}: {answer.status_code} {answer.text}"]
    found: list[str] = []
    waiting, seen = [httpx.URL(answer.json()["data"]["video"])], set[str]()
    while waiting:
        uri = waiting.pop()
        if str(uri) in seen:
            continue
        seen.add(str(uri))
        answer = client.get(uri)
        if not answer.is_success or not answer.content:
            found.append(f"{uri}: {answer.status_code}")
        elif uri.path.endswith(".m3u8"):
            waiting += [uri.join(name) for name in _named(answer.text)]
    return found


def _named(playlist: str) -> list[str]:
    lines = [line.strip() for line in playlist.splitlines()]
    plain = [line for line in lines if line and not line.startswith("#")]
    return plain + [line.split('URI="', 1)[1].split('"', 1)[0] for line in lines if 'URI="' in line]
