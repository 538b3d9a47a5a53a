"""An installation with a log, an archive and objects, and an empty one."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.parts import Urls
from services.operator.commands import command_line, run
from services.operator.main import backup_tools
from shared.blobs.s3 import S3Store, s3_client
from shared.event_store.archive.archive import archive
from tests.integration.event_store.archive.stories import RANGE, written_story
from tests.integration.operator.backups.stage import FILM, Command, Stage
from tests.support import threads
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import Database, copy_of


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
    """A log, written once and copied for each test."""
    with written_story(parts, database_template) as own:
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


def _none(_: object) -> Any:
    raise AssertionError("backups open nothing else")
