"""Old backups are removed, and never the last good one."""

from datetime import UTC, datetime, timedelta

import pytest

from services.operator.backups import retention, sets
from services.operator.backups.sealing import Sealer
from services.operator.backups.targets import FolderTarget
from tests.integration.operator.backups.stage import (
    Command,
    Stage,
    flip,
    folder,
)
from tests.support import threads


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


@pytest.mark.parametrize("part", ["media-000001", "manifest.json"])
def test_a_damaged_older_backup_keeps_objects_until_it_is_too_old(
    stage: Stage, command: Command, part: str
) -> None:
    old = command(stage, "run")["backup"]["name"]
    stage.s3.client().delete_object(Bucket=stage.s3.sources, Key="a/source")
    new = command(stage, "run")["backup"]["name"]
    flip(folder(stage) / "sets" / old / part)
    # Backups go on being made.
    third = command(stage, "run")
    assert third["removed"] == {"backups": [], "objects": 0, "damaged": [old]}
    removed = prune(stage, 1, datetime.now(UTC) + timedelta(days=400))
    assert removed.backups == (old, new)
    assert (removed.objects, removed.damaged) == (1, ())
    assert command(stage, "verify")["flaws"] == []
