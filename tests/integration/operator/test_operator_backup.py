"""Backups of a real database and real buckets: made, cut, verified, damaged, restored, removed."""

import asyncio
import base64
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from deploy.local.parts import Urls
from services.operator.backup_metrics import BackupMetrics
from services.operator.backups import retention, sets
from services.operator.backups.database import alone
from services.operator.backups.sealing import Sealer
from services.operator.backups.targets import FolderTarget
from services.operator.commands import command_line, run
from services.operator.main import backup_tools
from shared.blobs.s3 import S3Store, s3_client
from shared.event_store.archive.archive import archive
from tests.integration.event_store.archive.stories import EVENTS, RANGE, write_story
from tests.support import threads
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import Database, copy_of

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()
FILM = bytes(range(256)) * 40_000
"""Larger than a part of an upload."""


class Stage:
    """An installation, and the command line of backups on it."""

    def __init__(
        self, database: Database, s3: Buckets, archived: Buckets, target: str, **more: str
    ) -> None:
        self.database = database
        self.s3 = s3
        self.archived = archived
        self.environment = {
            "CINELOG_MODE": "local",
            "DATABASE_URL": database.url("backup"),
            "DATABASE_ADMIN_URL": database.admin_url,
            "SCRATCH_DATABASE_URL": database.admin_url,
            "S3_ENDPOINT": s3.endpoint,
            "S3_ACCESS_KEY": s3.access_key,
            "S3_SECRET_KEY": s3.secret_key,
            "S3_SOURCES_BUCKET": s3.sources,
            "S3_MEDIA_BUCKET": s3.media,
            "S3_ARCHIVE_BUCKET": archived.sources,
            "BACKUP_TARGET": target,
            "BACKUP_KEY": KEY,
            "BACKUP_S3_ENDPOINT": s3.endpoint,
            "BACKUP_S3_ACCESS_KEY": s3.access_key,
            "BACKUP_S3_SECRET_KEY": s3.secret_key,
            **more,
        }

    def objects(self) -> dict[tuple[str, str], Any]:
        """Bytes and headers of every object, by bucket and key."""
        client = self.s3.client()
        found: dict[tuple[str, str], Any] = {}
        for use, bucket in (
            *(("sources", self.s3.sources), ("media", self.s3.media)),
            ("archive", self.archived.sources),
        ):
            for key in self.s3.keys(bucket):
                answer = client.get_object(Bucket=bucket, Key=key)
                kept = (answer["ContentType"], answer.get("CacheControl"))
                found[use, key] = (answer["Body"].read(), *kept)
        return found

    def rows(self) -> dict[str, Any]:
        """What every table holds."""
        return threads.run(lambda: _rows(self.database.admin_url))


Command = Callable[..., Any]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command of backups on a stage; returns what it printed."""

    def call(stage: Stage, *arguments: str, code: int = 0, **changed: str) -> Any:
        environment = {**stage.environment, **changed}
        group = command_line(_none, lambda output: backup_tools(environment, output))
        capsys.readouterr()
        assert run(group, ["--json", "backup", *arguments]) == code, capsys.readouterr()
        printed = capsys.readouterr()
        return json.loads(printed.out) if code == 0 else printed.out + printed.err

    return call


@pytest.fixture(scope="module")
def story(parts: Urls, database_template: str) -> Iterator[Database]:
    with copy_of(parts.postgres, database_template) as own:
        threads.run(lambda: write_story(own))
        yield own


@pytest.fixture
def stage(parts: Urls, story: Database, s3: Buckets, tmp_path: Path) -> Iterator[Stage]:
    """A log, its archive of all but the last events, and objects; backed up into a folder."""
    with copy_of(parts.postgres, story.name) as own, own_buckets(parts) as archived:
        made = Stage(own, s3, archived, str(tmp_path / "backups"))
        threads.run(lambda: _fill(made))
        yield made


@pytest.fixture
def empty(parts: Urls, database_template: str, s3_models: None, stage: Stage) -> Iterator[Stage]:
    """Another installation, on which nothing has happened, with the same target."""
    with (
        copy_of(parts.postgres, database_template) as own,
        own_buckets(parts) as media,
        own_buckets(parts) as archived,
    ):
        yield Stage(own, media, archived, stage.environment["BACKUP_TARGET"])


async def _fill(stage: Stage) -> None:
    async with s3_client(
        stage.s3.endpoint, stage.s3.region, stage.s3.access_key, stage.s3.secret_key
    ) as client:
        sources, media = S3Store(client, stage.s3.sources), S3Store(client, stage.s3.media)
        await sources.put_stream("a/source", _pieces(FILM), "video/mp4")
        for number in range(12):
            key = f"a/a1/240p/{number:05}.mp4"
            await media.put(key, b"%d" % number * 100, "video/mp4", "max-age=31536000")
        await media.put("a/a1/empty", b"", "text/plain")
        relay = await asyncpg.connect(stage.database.url("relay"))
        try:
            bucket = S3Store(client, stage.archived.sources)
            await archive(relay, bucket, range_events=RANGE, close=False)
        finally:
            await relay.close()


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


async def _rows(url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "select schemaname || '.' || tablename from pg_tables"
            " where schemaname !~ '^pg_|information_schema'"
            # Of backups, and of what was published: the archive says that all of it was.
            " and tablename not in ('backups', 'relay')"
        )
        return {
            table: sorted(map(str, await connection.fetch(f"select * from {table}")))
            for (table,) in tables
        }
    finally:
        await connection.close()


def _none(_: object) -> Any:
    raise AssertionError("backups open nothing else")


def folder(stage: Stage) -> Path:
    return Path(stage.environment["BACKUP_TARGET"])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


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


def test_what_was_archived_after_the_dump_is_added(
    stage: Stage, empty: Stage, command: Command, monkeypatch: pytest.MonkeyPatch
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
    log = threads.run(lambda: _fetch(empty.database, "select max(position) from log.positions"))
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


async def _fetch(database: Database, statement: str) -> Any:
    owner = await asyncpg.connect(database.admin_url)
    try:
        return await owner.fetchval(statement)
    finally:
        await owner.close()


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


@pytest.mark.parametrize("part", ["database", "media-000001", "manifest.json", "object"])
def test_a_flipped_byte_is_found(stage: Stage, empty: Stage, command: Command, part: str) -> None:
    command(stage, "run")
    pattern = "objects/*/*/*" if part == "object" else f"sets/*/{part}"
    files = sorted(folder(stage).glob(pattern), key=lambda file: file.stat().st_size)
    flip(files[-1])
    said = command(stage, "verify", code=1)
    assert "damaged" in said
    assert "damaged" in command(empty, "restore", "--yes", code=1)
    # The database was not touched: a whole backup can still be restored.
    assert threads.run(lambda: _fetch(empty.database, "select count(*) from log.events")) == 0


def test_what_is_missing_is_found(stage: Stage, command: Command) -> None:
    command(stage, "run")
    lost = next(file for file in folder(stage).glob("objects/*/*/*"))
    lost.unlink()
    assert "missing" in command(stage, "verify", "--sample", "0", code=1)
    # It is copied again, and so that backup is whole again, too.
    assert command(stage, "run")["backup"]["copied_objects"] == 1
    assert command(stage, "verify")["flaws"] == []


def test_a_wrong_key_is_named(stage: Stage, empty: Stage, command: Command) -> None:
    command(stage, "run")
    for arguments in (("verify",), ("restore", "--yes"), ("test",)):
        said = command(empty, *arguments, code=1, BACKUP_KEY=OTHER_KEY)
        assert "was sealed with the key" in said
        assert Sealer(bytes(range(32))).key_id in said
    listed = command(stage, "list", BACKUP_KEY=OTHER_KEY)
    assert [row["state"] for row in listed] == ["another key's"]


def test_a_new_key_makes_a_whole_backup_of_its_own(
    stage: Stage, empty: Stage, command: Command
) -> None:
    old = command(stage, "run")["backup"]
    new = command(stage, "run", BACKUP_KEY=OTHER_KEY)["backup"]
    assert new["copied_objects"] == old["copied_objects"]
    assert command(stage, "verify", old["name"])["flaws"] == []
    command(empty, "restore", "--yes", BACKUP_KEY=OTHER_KEY)
    assert empty.objects() == stage.objects()


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


def test_a_restore_that_was_cut_goes_on(stage: Stage, empty: Stage, command: Command) -> None:
    command(stage, "run")
    client = empty.s3.client()
    for key in ("00001", "00002"):
        body = stage.objects()["media", f"a/a1/240p/{key}.mp4"][0]
        client.put_object(Bucket=empty.s3.media, Key=f"a/a1/240p/{key}.mp4", Body=body)
    done = command(empty, "restore", "--yes")
    assert done["there"] == 2
    assert empty.rows() == stage.rows()


def test_a_restore_is_tested_beside_the_installation(stage: Stage, command: Command) -> None:
    made = command(stage, "run")["backup"]
    before = stage.rows()
    tried = command(stage, "test", "--sample", "10")
    assert tried["restored"]["position"] == EVENTS
    assert tried["verdict"]["read"] == 10
    assert stage.rows() == before
    noted = threads.run(
        lambda: _fetch(
            stage.database,
            "select array_agg(kind || ' ' || name order by kind) from log.backups",
        )
    )
    assert noted == [f"backup {made['name']}", f"restore_test {made['name']}"]
    left = "select count(*) from pg_database where datname like 'cinelog_restore_test%'"
    assert threads.run(lambda: _fetch(stage.database, left)) == 0


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


def test_a_restore_test_sees_what_is_wrong(stage: Stage, command: Command) -> None:
    command(stage, "run")
    flip(max(folder(stage).glob("objects/*/*/*"), key=lambda file: file.stat().st_size))
    assert "damaged" in command(stage, "test", "--sample", "1000", code=1)
    count = "select count(*) from log.backups where kind = 'restore_test'"
    assert threads.run(lambda: _fetch(stage.database, count)) == 0


def test_two_at_once_are_refused(stage: Stage, command: Command) -> None:
    async def beside() -> str:
        async with alone(stage.database.url("backup")):
            return await asyncio.to_thread(lambda: command(stage, "run", code=1))

    assert "Another backup is being made" in threads.run(beside)


def prune(stage: Stage, days: int, now: datetime) -> retention.Removed:
    sealer = Sealer(bytes(range(32)))
    target = FolderTarget(folder(stage))
    return threads.run(lambda: retention.prune(target, sealer, days=days, now=now))


def test_old_backups_go_with_what_only_they_have(
    stage: Stage, empty: Stage, command: Command
) -> None:
    client = stage.s3.client()
    old = command(stage, "run")["backup"]["name"]
    client.delete_object(Bucket=stage.s3.sources, Key="a/source")
    new = command(stage, "run")["backup"]["name"]
    assert prune(stage, 1, datetime.now(UTC)) == retention.Removed()
    # Both are too old by then; the newest good one stays.
    removed = prune(stage, 1, datetime.now(UTC) + timedelta(days=400))
    assert (removed.backups, removed.objects) == ((old,), 1)
    assert [row["name"] for row in command(stage, "list")] == [new]
    assert command(stage, "verify")["flaws"] == []
    command(empty, "restore", "--yes")
    assert empty.objects() == stage.objects()


@pytest.mark.parametrize("lost", ["objects/*/*/*", "sets/*/database", "sets/*/manifest.json"])
def test_nothing_is_removed_where_the_newest_is_not_good(
    stage: Stage, command: Command, lost: str
) -> None:
    command(stage, "run")
    newest = command(stage, "run")["backup"]["name"]
    files = [file for file in folder(stage).glob(lost) if lost[0] == "o" or newest in str(file)]
    if lost.endswith("manifest.json"):
        flip(files[0])
    else:
        files[0].unlink()
    there = sorted(folder(stage).rglob("*"))
    with pytest.raises(sets.Damaged):
        prune(stage, 1, datetime.now(UTC) + timedelta(days=400))
    assert sorted(folder(stage).rglob("*")) == there


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
