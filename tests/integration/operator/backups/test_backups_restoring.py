"""Backups become installations again, and never over one that holds something."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.parts import Urls
from services.operator.backups import trial
from shared.blobs.s3 import S3Store, s3_client
from shared.event_store.archive.archive import archive
from tests.integration.event_store.archive.stories import EVENTS
from tests.integration.operator.backups.stage import (
    Command,
    Stage,
    fetch,
)
from tests.support import threads
from tests.support.buckets import own_buckets


def test_a_backup_is_restored_as_it_was(stage: Stage, empty: Stage, command: Command) -> None:
    before, objects = stage.rows(), stage.objects()
    made = command(stage, "run")["backup"]
    assert made["position"] == EVENTS
    assert made["counts"]["log.events"] == EVENTS
    assert made["copied_objects"] == len(objects)
    done = command(empty, "restore", "--yes")
    assert (done["position"], done["objects"], done["there"]) == (EVENTS, len(objects), 0)
    assert empty.rows() == before
    assert empty.objects() == objects


def test_a_backup_in_a_bucket_is_restored(
    parts: Urls, stage: Stage, empty: Stage, command: Command
) -> None:
    with own_buckets(parts) as away:
        target = {"BACKUP_TARGET": f"s3://{away.sources}/cinelog/daily"}
        command(stage, "run", **target)
        assert all(key.startswith("cinelog/daily/") for key in away.keys(away.sources))
        assert command(stage, "run", **target)["backup"]["copied_objects"] == 0
        assert command(stage, "verify", **target)["flaws"] == []
        command(empty, "restore", "--yes", **target)
        assert empty.objects() == stage.objects()


def test_what_was_archived_after_the_dump_is_added(
    stage: Stage, empty: Stage, command: Command
) -> None:
    """The archive is copied after the dump, so it may know more."""
    whole = threads.run(lambda: _archived_whole(stage))
    threads.run(lambda: _shorten(stage))
    made = command(stage, "run")["backup"]
    assert made["position"] < whole
    tried = command(stage, "test")["restored"]
    done = command(empty, "restore", "--yes")
    for found in (tried, done):
        assert found["added"] == whole - made["position"]
        assert found["position"] == whole
    log = threads.run(lambda: fetch(empty.database, "select max(position) from log.positions"))
    assert log == whole


async def _archived_whole(stage: Stage) -> int:
    relay = await asyncpg.connect(stage.database.url("relay"))
    try:
        async with s3_client(
            stage.s3.endpoint, stage.s3.region, stage.s3.access_key, stage.s3.secret_key
        ) as client:
            return (await archive(relay, S3Store(client, stage.archived.sources))).last
    finally:
        await relay.close()


async def _shorten(stage: Stage) -> None:
    """As if the dump had been made earlier."""
    owner = await asyncpg.connect(stage.database.admin_url)
    try:
        async with owner.transaction():
            await owner.execute("set local session_replication_role = replica")
            await owner.execute(
                "delete from log.events where seq in"
                " (select seq from log.positions where position > 200)"
            )
            await owner.execute("delete from log.positions where position > 200")
            await owner.execute("update log.relay set value = least(value, 200)")
    finally:
        await owner.close()


def test_it_is_not_restored_over_anything(stage: Stage, empty: Stage, command: Command) -> None:
    command(stage, "run")
    assert "The log holds events" in command(stage, "restore", "--yes", code=1)
    client = empty.s3.client()
    client.put_object(Bucket=empty.s3.media, Key="z/mine", Body=b"mine")
    assert "z/mine" in command(empty, "restore", "--yes", code=1)
    client.delete_object(Bucket=empty.s3.media, Key="z/mine")

    async def while_a_service_runs() -> str:
        service = await asyncpg.connect(empty.database.url("catalog"))
        try:
            return await asyncio.to_thread(lambda: command(empty, "restore", "--yes", code=1))
        finally:
            await service.close()

    assert "cinelog_catalog" in threads.run(while_a_service_runs)


def test_the_database_follows_when_the_disk_has_the_objects(
    stage: Stage, empty: Stage, command: Command
) -> None:
    """A power cut after the restore would leave a log of videos that are gone."""
    command(stage, "run")
    count = "select count(*) from log.events"
    seen: list[tuple[int, int]] = []

    def at_the_time() -> int:
        seen.append(
            (len(empty.s3.keys(empty.s3.media)), threads.run(lambda: fetch(empty.database, count)))
        )
        return 500 if len(seen) == 1 else 204

    with confirming(at_the_time) as url:
        refused = command(empty, "restore", "--yes", code=1, S3_SYNC_URL=url)
        assert "could not confirm" in refused
        assert threads.run(lambda: fetch(empty.database, count)) == 0
        command(empty, "restore", "--yes", S3_SYNC_URL=url)
    assert seen[-1] == (len(empty.s3.keys(empty.s3.media)), 0)
    assert empty.objects() == stage.objects()


def test_a_restore_that_was_cut_goes_on(stage: Stage, empty: Stage, command: Command) -> None:
    command(stage, "run")
    client = empty.s3.client()
    for key in ("00001", "00002"):
        body = stage.objects()["media", f"a/a1/240p/{key}.mp4"][0]
        client.put_object(Bucket=empty.s3.media, Key=f"a/a1/240p/{key}.mp4", Body=body)
    done = command(empty, "restore", "--yes")
    assert done["there"] == 2
    assert empty.rows() == stage.rows()


def test_a_restore_is_tested_beside_the_installation(
    stage: Stage, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = uuid4()
    monkeypatch.setattr(trial, "uuid4", lambda: own)
    made = command(stage, "run")["backup"]
    before = stage.rows()
    tried = command(stage, "test", "--sample", "10")
    assert tried["restored"]["position"] == EVENTS
    assert tried["verdict"]["read"] == 10
    assert stage.rows() == before
    noted = threads.run(
        lambda: fetch(
            stage.database,
            "select array_agg(kind || ' ' || name order by kind) from log.backups",
        )
    )
    assert noted == [f"backup {made['name']}", f"restore_test {made['name']}"]
    left = f"select count(*) from pg_database where datname like '%{own.hex[:12]}'"
    assert threads.run(lambda: fetch(stage.database, left)) == 0


async def test_databases_of_tests_that_were_killed_are_dropped(
    stage: Stage, command: Command
) -> None:
    await asyncio.to_thread(lambda: command(stage, "run"))
    owner = await asyncpg.connect(stage.database.admin_url)
    now = int(time.time())
    killed, running, others = (
        f"cinelog_restore_test_{begun}_{secrets.token_hex(6)}"
        for begun in (now - 7200,) * 2 + (now,)
    )
    for name in (killed, running, others):
        await owner.execute(f"create database {name}")
    url = urlunsplit(urlsplit(stage.database.admin_url)._replace(path=f"/{running}"))
    session = await asyncpg.connect(url)
    await asyncio.to_thread(lambda: command(stage, "test", "--sample", "0"))
    there = "select array_agg(datname::text) from pg_database where datname = any($1)"
    found = await owner.fetchval(there, [killed, running, others])
    assert sorted(found) == sorted([running, others])
    await session.close()
    for name in (running, others):
        await owner.execute(f"drop database {name}")
    await owner.close()


@contextmanager
def confirming(status: Callable[[], int]) -> Iterator[str]:
    """A process that answers the storage's ``disk-sync`` requests so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status())
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/sync"
        finally:
            server.shutdown()
            thread.join()
