"""Processes that die, people who change their minds: one result, and nothing is stuck."""

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path

import aio_pika
import asyncpg
import msgspec
import psutil

from services.transcoder import handlers
from services.transcoder.consumers import QUEUES, TaskMessage
from shared.contracts import TranscodeCompleted, VideoDeleted
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.slow_ffmpeg import SlowFfmpeg
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.road import Road
from tests.support.wait import eventually


async def running_task(database: Database, kind: str = "video") -> str:
    """The id of a task of a kind that a worker has been at for a moment."""

    async def look() -> str | None:
        connection = await asyncpg.connect(database.admin_url)
        try:
            return await connection.fetchval(
                "select task_id from transcoder.tasks"
                " where state = 'running' and kind = $1 and progress > 0 limit 1",
                kind,
            )
        finally:
            await connection.close()

    return await eventually(look, 120)


def clip(folder: Path) -> Path:
    """A source with several chunks and renditions."""
    return make(folder / "clip.mp4", seconds=12, size="640x360", rate="10")


def encoders(worker: int) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for child in psutil.Process(worker).children(recursive=True):
        # One may end while it is looked at.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ffmpeg" in child.name():
                found.append(child)
    return found


async def test_a_killed_worker_costs_one_task(
    processes: Processes, studio: Studio, database: Database, tmp_path: Path
) -> None:
    processes.planner()
    first = processes.worker(FFMPEG=str(SlowFfmpeg(tmp_path, 0.5).path))
    video_id = await studio.upload(clip(tmp_path))
    await running_task(database)
    orphans = encoders(first.pid)
    assert orphans
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    await eventually(lambda: not any(orphan.is_running() for orphan in orphans), 5)
    left = list(processes.scratch.glob("*/*"))
    assert left
    processes.worker()
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed", timeout=180)
    assert isinstance(done, TranscodeCompleted)
    types = await studio.types(video_id)
    assert types.count("TranscodeCompleted") == types.count("VideoPlayable") == 1
    assert types.count("ChunkEncoded") == 3
    assert not any(path.exists() for path in left)
    tries = tries_of_done_tasks(processes)
    # It has one slot for each of the two queues.
    assert 1 <= sum(tries) - len(tries) <= 2


def tries_of_done_tasks(processes: Processes) -> list[int]:
    """For each task that was done: which try did it, as the workers' logs say."""
    logs = processes.folder.glob("services.transcoder.main-worker-*.log")
    lines = [line for log in logs for line in log.read_text().splitlines() if "task done" in line]
    return [int(found[1]) for line in lines if (found := re.search(r"try_number\W+(\d+)", line))]


async def test_a_bucket_that_goes_away_in_the_middle_of_a_task_costs_only_time(
    processes: Processes, studio: Studio, database: Database, s3: Buckets, tmp_path: Path
) -> None:
    road = Road(s3.endpoint)
    await road.open()
    processes.planner()
    slow = SlowFfmpeg(tmp_path, 1)
    processes.worker(S3_ENDPOINT=road.url, FFMPEG=str(slow.path))
    video_id = await studio.upload(clip(tmp_path))
    await running_task(database)
    slow.let_go()
    await road.close()
    connection = await asyncpg.connect(database.admin_url)

    async def given_back() -> bool:
        # The one that was seen may just have been done: then it is the next one's turn.
        query = "select true from transcoder.tasks where state = 'waiting' and not_before > now()"
        return await connection.fetchval(f"{query} limit 1")

    assert await eventually(given_back, 60)
    assert "TranscodeCompleted" not in await studio.types(video_id)
    await road.open()
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed", timeout=180)
    assert isinstance(done, TranscodeCompleted)
    types = await studio.types(video_id)
    assert types.count("TranscodeCompleted") == types.count("VideoPlayable") == 1
    await connection.close()
    await road.close()


async def test_a_stopped_worker_gives_its_task_back(
    processes: Processes, studio: Studio, database: Database, tmp_path: Path
) -> None:
    processes.planner()
    first = processes.worker(DRAIN_SECONDS="0", FFMPEG=str(SlowFfmpeg(tmp_path, 0.5).path))
    video_id = await studio.upload(clip(tmp_path))
    task_id = await running_task(database)
    first.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(first.wait, 20) == 0
    assert not list(processes.scratch.glob("*/*"))
    connection = await asyncpg.connect(database.admin_url)
    row = await connection.fetchrow(
        "select state, tries from transcoder.tasks where task_id = $1", task_id
    )
    await connection.close()
    assert row is not None
    assert row["state"] in ("waiting", "queued")
    assert row["tries"] == 0
    processes.worker()
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed", timeout=180)
    assert isinstance(done, TranscodeCompleted)


async def test_messages_lost_doubled_and_senseless_do_no_harm(
    processes: Processes, studio: Studio, database: Database, broker: Broker, tmp_path: Path
) -> None:
    planner = processes.planner()
    video_id = await studio.upload(make(tmp_path / "a.mp4"))
    task_id = f"{video_id}/1/plan"
    urgent = QUEUES["urgent"].name
    await eventually(lambda: urgent in broker.queues(), 120)
    connection = await asyncpg.connect(database.admin_url)

    async def queued() -> bool:
        state = "select state from transcoder.tasks where task_id = $1"
        return await connection.fetchval(state, task_id) == "queued"

    await eventually(queued, 30)
    # The message is lost with its queue; the planner sends the task again in time.
    broker.delete_queue(urgent)
    await connection.execute("update transcoder.tasks set queued_at = now() - interval '2 minutes'")
    await connection.close()
    planner.kill()
    planner.wait()
    processes.planner()
    processes.worker()
    await studio.wait_for(video_id, "TranscodePlanned")
    channel_connection = await aio_pika.connect(broker.amqp_url)
    async with channel_connection:
        channel = await channel_connection.channel()
        bodies = [
            msgspec.json.encode(TaskMessage(f"{video_id}/1/{name}", dispatch))
            for name in ("plan", "images", "chunk-00000-240p")
            for dispatch in (0, 1, 1, 2, 9)
        ]
        for body in [*bodies, b"", b"{}", b"nonsense"]:
            await channel.default_exchange.publish(aio_pika.Message(body), urgent)
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)
    types = await studio.types(video_id)
    assert types.count("TranscodePlanned") == types.count("ThumbnailsCreated") == 1
    assert types.count("ChunkEncoded") == types.count("TranscodeCompleted") == 1
    await eventually(lambda: broker.queues()[urgent].get("messages") == 0, 20)


async def test_cancel_stops_within_two_seconds_and_retry_starts_over(
    processes: Processes, studio: Studio, database: Database, tmp_path: Path
) -> None:
    processes.planner()
    slow = SlowFfmpeg(tmp_path, 0.5)
    worker = processes.worker(FFMPEG=str(slow.path))
    video_id = await studio.upload(clip(tmp_path))
    await running_task(database)
    assert encoders(worker.pid)
    slow.let_go()
    await handlers.cancel(studio.store, video_id, "user-1")
    await eventually(lambda: not encoders(worker.pid), 3)
    await eventually(lambda: not studio.keys(video_id), 20)
    assert (await studio.types(video_id))[-1] == "TranscodeCancelled"

    assert await handlers.retry(studio.store, video_id, "user-1") == 2
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed", timeout=180)
    assert isinstance(done, TranscodeCompleted)
    assert done.attempt == 2
    manifests = {f"{video_id}/master.m3u8", f"{video_id}/manifest.mpd"}
    assert all("/a2/" in key for key in set(studio.keys(video_id)) - manifests)


async def test_a_deleted_video_leaves_nothing(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(make(tmp_path / "a.mp4"))
    await studio.wait_for(video_id, "TranscodeCompleted")
    assert studio.keys(video_id)
    await studio.append(
        "video",
        video_id,
        VideoDeleted(video_id=video_id, user_id="user-1", deleted_by="user-1"),
    )
    await eventually(lambda: not studio.keys(video_id), 30)
