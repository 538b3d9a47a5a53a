"""What goes wrong. Every fault heals without anybody's help, or the run fails."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from services.transcoder.consumers import QUEUES, TaskMessage
from shared.event_store.postgres import open_event_store
from shared.event_store.serialization import encode_bundle
from shared.messaging.broker import create_broker
from shared.messaging.topology import EVENTS
from tests.chaos.looking import broker_of, buckets_of, is_of_live, patiently, rows
from tests.support.stack import RunningStack
from tests.support.threads import run
from tests.support.wrong_s3 import WrongS3

SERVICES: Final = (
    *("gateway", "auth", "ingest", "catalog", "projector", "planner", "relay", "reconciler"),
    "live",
    *("worker-1", "worker-2"),
)
PARTS: Final = ("rabbitmq", "postgres", "valkey", "seaweedfs")
_IMPOSSIBLE = str(1 << 60)
_FULL_SECONDS = 5.0
# Longer than leases and heartbeats, shorter than what the supervisor waits for.
_FROZEN_SECONDS = 20.0
_SEND_SECONDS = 20.0
_WRONG_SHARE = 0.15
_WRONG_ANSWERS = 300

Fault = Callable[[RunningStack, random.Random], str | None]
"""Does it, and says what it did; None where there was nothing to do it to."""


def kill(name: str) -> Fault:
    """``kill -9`` a process."""

    def fault(stack: RunningStack, _chance: random.Random) -> str | None:
        try:
            return f"killed {name} ({stack.kill(name)})"
        except (LookupError, ProcessLookupError):
            return None

    return fault


def freeze(name: str) -> Fault:
    """SIGSTOP a process, and SIGCONT it after a while: it comes back with what it held before."""

    def fault(stack: RunningStack, chance: random.Random) -> str | None:
        seconds = chance.uniform(2, _FROZEN_SECONDS)
        try:
            pid = stack.signal(name, signal.SIGSTOP)
        except (LookupError, ProcessLookupError):
            return None
        time.sleep(seconds)
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return f"froze {name} until the supervisor ended it"
        return f"froze {name} for {seconds:.0f} s"

    return fault


def kill_several(stack: RunningStack, chance: random.Random) -> str | None:
    """``kill -9`` several processes at the same moment, parts among them."""
    killed: list[str] = []
    for name in chance.sample((*SERVICES, *PARTS), chance.randint(3, 6)):
        try:
            stack.kill(name)
        except (LookupError, ProcessLookupError):
            continue
        killed.append(name)
    return f"killed {', '.join(killed)}" if killed else None


def kill_mid_chunk(stack: RunningStack, _chance: random.Random) -> str | None:
    """``kill -9`` a worker that is encoding."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        busy = rows(
            stack,
            "select worker from transcoder.tasks where state = 'running' and kind = 'video'"
            " and seen_at > now() - interval '2 seconds' limit 1",
        )
        if busy:
            pid = int(busy[0][0].rsplit("-", 2)[1])
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return None
            return f"killed the worker {busy[0][0]} in the midst of a chunk"
        time.sleep(0.1)
    return None


def drop_database_connections(stack: RunningStack, _chance: random.Random) -> str | None:
    """Cut every service's line to the database."""
    cut = rows(
        stack,
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where usename like 'cinelog\\_%' and pid <> pg_backend_pid()"
        " and usename <> current_user",
    )
    return f"cut {cut[0][0]} connections to the database"


def drop_broker_connections(stack: RunningStack, _chance: random.Random) -> str | None:
    """Cut every service's line to the broker."""
    patiently(broker_of(stack).disconnect_all)
    return "cut all connections to the broker"


def purge_queues(stack: RunningStack, _chance: random.Random) -> str | None:
    """Throw away every message that waits."""
    broker = broker_of(stack)
    names = [name for name in patiently(broker.queues) if not name.endswith(".dead")]
    for name in names:
        broker.purge(name)
    return f"purged {len(names)} queues"


def delete_a_queue(stack: RunningStack, chance: random.Random) -> str | None:
    """Remove a whole queue, with its consumers."""
    broker = broker_of(stack)
    names = sorted(name for name in patiently(broker.queues) if not name.endswith(".dead"))
    if not names:
        return None
    name = chance.choice(names)
    broker.delete_queue(name)
    return f"deleted the queue {name}"


def repeat_events(stack: RunningStack, chance: random.Random) -> str | None:
    """Deliver old events again, and in disorder."""
    urls = stack.stack.urls

    async def send() -> int:
        async with (
            asyncio.timeout(_SEND_SECONDS),
            open_event_store(urls.postgres, connections=1) as store,
        ):
            head = await store.head()
            found = await store.read_envelopes(max(0, head - chance.randint(50, 400)), 200)
        bundles = [found[start : start + 7] for start in range(0, len(found), 7)]
        chance.shuffle(bundles)
        async with asyncio.timeout(_SEND_SECONDS), create_broker(urls.amqp) as broker:
            for bundle in bundles:
                chance.shuffle(bundle)
                await broker.publish(
                    encode_bundle(bundle),
                    exchange=EVENTS,
                    routing_key=bundle[0].type,
                    persist=True,
                    mandatory=False,
                )
        return len(found)

    return f"delivered {run(send)} events again, shuffled"


def repeat_tasks(stack: RunningStack, chance: random.Random) -> str | None:
    """Deliver tasks again that are queued, running or done."""
    found = rows(stack, "select task_id, dispatch from transcoder.tasks where dispatch > 0")
    chosen = chance.sample(found, min(len(found), 20))

    async def send() -> None:
        async with asyncio.timeout(_SEND_SECONDS), create_broker(stack.stack.urls.amqp) as broker:
            for task_id, dispatch in chosen:
                await broker.publish(
                    msgspec.json.encode(TaskMessage(task_id, dispatch)),
                    queue=chance.choice(sorted(queue.name for queue in QUEUES.values())),
                    content_type="application/json",
                    persist=True,
                )

    if not chosen:
        return None
    run(send)
    return f"delivered {len(chosen)} tasks again"


def delete_segments(stack: RunningStack, chance: random.Random) -> str | None:
    """Delete some of what has been made of a source, of any video. A live has no source."""
    buckets = buckets_of(stack)
    keys = [key for key in patiently(lambda: buckets.keys(buckets.media)) if not is_of_live(key)]
    chosen = chance.sample(keys, min(len(keys), chance.randint(1, 5)))
    if not chosen:
        return None
    client: Any = buckets.client()
    for key in chosen:
        patiently(lambda lost=key: client.delete_object(Bucket=buckets.media, Key=lost))
    return f"deleted {', '.join(chosen)}"


def leave_objects(stack: RunningStack, chance: random.Random) -> str | None:
    """Put objects into both buckets that belong to nobody, as a dying process might."""
    buckets = buckets_of(stack)
    client: Any = buckets.client()
    videos = rows(stack, "select video_id from transcoder.jobs limit 20")
    folder = chance.choice(videos)[0] if videos else "nobody"
    stray = chance.randbytes(4).hex()
    places = (
        (buckets.media, f"{folder}/a1/240p/00000-{stray}.mp4"),
        (buckets.sources, f"{stray}/source"),
    )
    for bucket, key in places:
        patiently(
            lambda into=bucket, name=key: client.put_object(Bucket=into, Key=name, Body=b"lost")
        )
    return f"left {places[0][1]} and {places[1][1]} behind"


def fill_scratch(stack: RunningStack, chance: random.Random) -> str | None:
    """A worker finds its disk full for a while."""
    name = chance.choice(("worker-1", "worker-2"))
    try:
        killed = stack.restart_with(name, SCRATCH_RESERVE_BYTES=_IMPOSSIBLE)
    except (LookupError, ProcessLookupError):
        return None
    deadline = time.monotonic() + 60
    while not stack.is_back(name, killed) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(_FULL_SECONDS)
    try:
        stack.restart_with(name, SCRATCH_RESERVE_BYTES="0")
    except (LookupError, ProcessLookupError):
        return f"the disk of {name} was full until it ended"
    return f"the disk of {name} was full for {_FULL_SECONDS:.0f} s"


def lose_scratch(stack: RunningStack, chance: random.Random) -> str | None:
    """What a worker is writing disappears."""
    name = chance.choice(("worker-1", "worker-2"))
    folder = Path(stack.environment(name)["SCRATCH_DIR"])
    tasks = [path for path in folder.glob("*/*") if path.is_dir()]
    for path in tasks:
        shutil.rmtree(path, ignore_errors=True)
    return f"emptied the scratch of {name}" if tasks else None


def answer_wrongly(stack: RunningStack, chance: random.Random) -> str | None:
    """A worker, the coordinator and ingest get wrong answers of the storage for a while."""
    names = (chance.choice(("worker-1", "worker-2")), "planner", "ingest")
    # The gateway's storage is never wrong. The others reach it over the same road.
    right = stack.environment("gateway")["S3_ENDPOINT"]
    with WrongS3(right, _WRONG_SHARE, seed=chance.randrange(1 << 30)).running() as wrong:
        try:
            killed = {name: stack.restart_with(name, S3_ENDPOINT=wrong.url) for name in names}
        except (LookupError, ProcessLookupError):
            return None
        finally:
            # Whoever starts the process next takes it back to the right storage.
            deadline = time.monotonic() + _FROZEN_SECONDS
            while wrong.done.total() < _WRONG_ANSWERS and time.monotonic() < deadline:
                time.sleep(0.2)
            for name in names:
                stack.environment(name).update(S3_ENDPOINT=right)
        for name in killed:
            with contextlib.suppress(LookupError, ProcessLookupError):
                stack.kill(name)
    return f"answered {', '.join(names)} wrongly: {dict(wrong.done)}"


FAULTS: Final[dict[str, Fault]] = {
    **{f"kill {name}": kill(name) for name in (*SERVICES, *PARTS)},
    **{f"freeze {name}": freeze(name) for name in (*SERVICES, *PARTS)},
    "kill several": kill_several,
    "kill mid-chunk": kill_mid_chunk,
    "cut database": drop_database_connections,
    "cut broker": drop_broker_connections,
    "purge queues": purge_queues,
    "delete queue": delete_a_queue,
    "repeat events": repeat_events,
    "repeat tasks": repeat_tasks,
    "delete segments": delete_segments,
    "leave objects": leave_objects,
    "fill scratch": fill_scratch,
    "lose scratch": lose_scratch,
    "wrong answers": answer_wrongly,
}
