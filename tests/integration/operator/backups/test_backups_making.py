"""Backups of a real database and real buckets: what is copied, cut, refused and noted."""

import asyncio
from collections.abc import AsyncIterable
from datetime import datetime
from urllib.parse import urlsplit

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from deploy.local.parts import Urls
from services.operator import backup_metrics
from services.operator.backup_metrics import BackupMetrics
from services.operator.backups import dumps
from services.operator.backups.copying import Copier
from services.operator.backups.database import alone, snapshot
from services.operator.backups.targets import FolderTarget
from shared.blobs.store import BlobInfo, BlobStore
from tests.integration.operator.backups.stage import (
    FILM,
    OTHER_KEY,
    Command,
    Stage,
    folder,
)
from tests.support import threads
from tests.support.buckets import own_buckets
from tests.support.network import network
from tests.support.wait import eventually


def test_what_killed_backups_left_is_removed(parts: Urls, stage: Stage, command: Command) -> None:
    left = folder(stage) / "sets" / "20260101T000000Z" / "database.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    command(stage, "run")
    assert not left.exists()
    with own_buckets(parts) as away:
        client = away.client()
        client.create_multipart_upload(Bucket=away.sources, Key="cinelog/objects/half")
        command(stage, "run", BACKUP_TARGET=f"s3://{away.sources}/cinelog")
        assert "Uploads" not in client.list_multipart_uploads(Bucket=away.sources)


def test_nothing_of_it_can_be_read_at_the_target(stage: Stage, command: Command) -> None:
    command(stage, "run")
    everything = b"".join(
        str(file).encode() + file.read_bytes()
        for file in folder(stage).rglob("*")
        if file.is_file() and file.name != "manifest.json"
    )
    for told in (b"VideoUploaded", b"240p", FILM[:512], b"a/source"):
        assert told not in everything


def test_only_new_objects_are_copied_again(stage: Stage, empty: Stage, command: Command) -> None:
    first = command(stage, "run")["backup"]
    client = stage.s3.client()
    client.put_object(Bucket=stage.s3.media, Key="b/new", Body=b"new")
    client.put_object(
        Bucket=stage.s3.media, Key="a/a1/240p/00001.mp4", Body=b"as long as before"[:9]
    )
    client.delete_object(Bucket=stage.s3.media, Key="a/a1/240p/00002.mp4")
    second = command(stage, "run")["backup"]
    assert second["copied_objects"] == 2
    assert second["name"] > first["name"]
    command(empty, "restore", "--yes")
    assert empty.objects() == stage.objects()


def test_what_a_playlist_names_is_there_although_it_was_replaced_meanwhile(
    stage: Stage, empty: Stage, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transcoder joins objects, and lets a playlist name the result, after the listing."""
    client, media = stage.s3.client(), stage.s3.media
    joined, playlist = "a/a1/240p/all-1.mp4", "a/a1/240p/index.m3u8"
    client.put_object(Bucket=media, Key=playlist, Body=b"00001.mp4")
    copy = Copier._item

    async def joined_before(self: Copier, bucket: str, store: BlobStore, blob: BlobInfo) -> object:
        if blob.key == playlist:
            for key, body in ((joined, b"joined"), (playlist, b"all-1.mp4")):
                client.put_object(Bucket=media, Key=key, Body=body)
        return await copy(self, bucket, store, blob)

    monkeypatch.setattr(Copier, "_item", joined_before)
    command(stage, "run")
    command(empty, "restore", "--yes")
    found = empty.objects()
    assert found["media", playlist][0] == b"all-1.mp4"
    assert found["media", joined][0] == b"joined"
    assert found == stage.objects()


def test_a_backup_that_was_cut_is_none_and_the_next_goes_on(
    stage: Stage, empty: Stage, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = command(stage, "run")["backup"]["name"]
    stage.s3.client().put_object(Bucket=stage.s3.media, Key="b/new", Body=b"new")

    async def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        put = FolderTarget.put

        async def put_but_manifest(
            self: FolderTarget, name: str, chunks: AsyncIterable[bytes]
        ) -> None:
            await (full(self) if name.endswith("manifest.json") else put(self, name, chunks))

        broken.setattr(FolderTarget, "put", put_but_manifest)
        command(stage, "run", code=1)
    states = {row["name"]: row["state"] for row in command(stage, "list")}
    assert sorted(states.values()) == ["good", "unfinished"]
    assert command(stage, "verify")["name"] == good
    # What it had copied and listed is not copied again; it is removed once a good one is newer.
    done = command(stage, "run")
    assert done["backup"]["copied_objects"] == 0
    assert len(done["removed"]["backups"]) == 1
    command(empty, "restore", "--yes")
    assert empty.objects() == stage.objects()


def test_a_new_key_makes_a_whole_backup_of_its_own(
    stage: Stage, empty: Stage, command: Command
) -> None:
    old = command(stage, "run")["backup"]
    new = command(stage, "run", BACKUP_KEY=OTHER_KEY)["backup"]
    assert new["copied_objects"] == old["copied_objects"]
    assert command(stage, "verify", old["name"])["flaws"] == []
    command(empty, "restore", "--yes", BACKUP_KEY=OTHER_KEY)
    assert empty.objects() == stage.objects()


def test_the_reconciler_shows_the_last_good_ones(stage: Stage, command: Command) -> None:
    registry = CollectorRegistry()
    hours = {"backup": 26.0, "restore_test": 0.0}
    metrics = BackupMetrics(registry, stage.database.url("operator"), hours)

    def shown(name: str, **labels: str) -> float:
        threads.run(metrics.read)
        value = registry.get_sample_value(f"cinelog_backup_{name}", labels)
        assert value is not None
        return value

    assert shown("finished_timestamp_seconds", kind="backup") == 0
    assert shown("max_age_seconds", kind="backup") == 26 * 3600
    assert shown("max_age_seconds", kind="restore_test") == 0
    made = command(stage, "run")["backup"]
    finished = datetime.fromisoformat(made["finished_at"]).timestamp()
    assert shown("finished_timestamp_seconds", kind="backup") == pytest.approx(finished)
    assert shown("bytes") == made["database"]["size"] + sum(
        bucket["bytes"] for bucket in made["buckets"].values()
    )
    assert shown("finished_timestamp_seconds", kind="restore_test") == 0
    command(stage, "test", "--sample", "0")
    assert shown("finished_timestamp_seconds", kind="restore_test") >= finished


async def test_a_silent_database_does_not_keep_the_reconciler_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_metrics, "_ANSWER_SECONDS", 0.5)
    url = stage.database.url("operator")
    with network({"postgres": urlsplit(url).port or 0}) as roads:
        metrics = BackupMetrics(
            CollectorRegistry(), roads.over(url), dict.fromkeys(backup_metrics.KINDS, 0.0)
        )
        owner = await asyncpg.connect(stage.database.admin_url)
        async with owner.transaction():
            # Its answer waits for this lock, and is lost on its way.
            await owner.execute("lock table log.backups")
            reading = asyncio.create_task(metrics.read())
            waiting = "select count(*) from pg_locks where not granted"
            await eventually(lambda: owner.fetchval(waiting))
            roads.roads["postgres"].mute()
        async with asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                await reading
        await owner.close()


async def test_a_silent_database_ends_the_backup(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dumps, "_SILENT_SECONDS", 5.0)
    url = stage.database.url("backup")

    async def backed_up(through: str, began: asyncio.Event) -> None:
        async with snapshot(through) as moment:
            began.set()
            async for _ in dumps.dump(through, moment.name):
                pass

    with network({"postgres": urlsplit(url).port or 0}) as roads:
        owner = await asyncpg.connect(stage.database.admin_url)
        began = asyncio.Event()
        backing = asyncio.create_task(backed_up(roads.over(url), began))
        await began.wait()
        async with owner.transaction():
            # pg_dump waits for this lock, and the answer is lost on its way.
            await owner.execute("lock table log.backups")
            waiting = "select count(*) from pg_locks where not granted"
            await eventually(lambda: owner.fetchval(waiting))
            roads.roads["postgres"].mute()
            async with asyncio.timeout(60):
                with pytest.raises(dumps.ProgramFailed, match="has gone silent"):
                    await backing
        await owner.close()


def test_two_at_once_are_refused(stage: Stage, command: Command) -> None:
    async def beside() -> str:
        async with alone(stage.database.url("backup")):
            return await asyncio.to_thread(lambda: command(stage, "run", code=1))

    assert "Another backup is being made" in threads.run(beside)


def test_the_role_of_backups_only_reads(stage: Stage) -> None:
    async def refused() -> None:
        connection = await asyncpg.connect(stage.database.url("backup"))
        try:
            for statement in (
                "delete from log.backups",
                "insert into log.relay values ('a', 1)",
                "update catalog.videos set title = ''",
                "delete from auth.accounts",
                "create table log.mine (a int)",
                "create schema mine",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()

    threads.run(refused)
