"""Backups that are damaged, incomplete or sealed with another key are found."""

import pytest

from services.operator.backups.sealing import Sealer
from tests.integration.operator.backups.stage import (
    OTHER_KEY,
    Command,
    Stage,
    fetch,
    flip,
    folder,
)
from tests.support import threads


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
    assert threads.run(lambda: fetch(empty.database, "select count(*) from log.events")) == 0


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


def test_a_restore_test_sees_what_is_wrong(stage: Stage, command: Command) -> None:
    command(stage, "run")
    flip(max(folder(stage).glob("objects/*/*/*"), key=lambda file: file.stat().st_size))
    assert "damaged" in command(stage, "test", "--sample", "1000", code=1)
    count = "select count(*) from log.backups where kind = 'restore_test'"
    assert threads.run(lambda: fetch(stage.database, count)) == 0
