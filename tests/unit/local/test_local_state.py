import errno
import os
import stat
from pathlib import Path

import pytest

from deploy.local import daemon, unprivileged
from deploy.local.files import write_private
from deploy.local.state import Home, StateDamaged


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_secrets_are_long_different_and_kept(home: Home) -> None:
    first = home.secrets(["a", "b"])

    assert first["a"] != first["b"]
    assert all(len(secret) >= 32 for secret in first.values())
    assert home.secrets(["a", "b", "c"])["a"] == first["a"]


def test_secrets_are_readable_by_their_owner_alone(home: Home) -> None:
    home.secrets(["a"])

    assert stat.S_IMODE((home.folder / "secrets.json").stat().st_mode) == 0o600


def test_ports_are_kept(home: Home) -> None:
    assert home.ports(["gateway"]) == home.ports(["gateway"])


def damaged_in_each_way() -> list[bytes]:
    """What a power loss or a bad disk leaves of a JSON file."""
    return [
        b"",
        b'{"gateway": 20',
        b"\xff\xfe\x00garbage",
        b"[]",
        b'{"gateway": 99999999}',
        b"\0" * 64,
    ]


@pytest.mark.parametrize("damage", damaged_in_each_way())
def test_ports_that_cannot_be_read_are_chosen_anew(home: Home, damage: bytes) -> None:
    home.ports(["gateway"])
    (home.folder / "ports.json").write_bytes(damage)

    chosen = home.ports(["gateway"])

    assert home.known_ports() == chosen
    assert 1024 < chosen["gateway"] < 32768


@pytest.mark.parametrize("damage", [*damaged_in_each_way(), None])
@pytest.mark.parametrize("name", ["secrets.json", "secrets.copy.json"])
def test_a_damaged_copy_of_the_secrets_is_healed_by_the_other(
    home: Home, name: str, damage: bytes | None
) -> None:
    made = home.secrets(["a", "b"])
    (home.folder / "postgres").mkdir()
    if damage is None:
        (home.folder / name).unlink()
    else:
        (home.folder / name).write_bytes(damage)

    assert home.secrets(["a", "b"]) == made
    (home.folder / "secrets.json").write_bytes(b"")
    assert home.secrets(["a", "b"]) == made


def test_lost_secrets_of_a_database_are_not_replaced_by_others(home: Home) -> None:
    home.secrets(["a"])
    (home.folder / "postgres").symlink_to("/var/lib/elsewhere")
    for name in ("secrets.json", "secrets.copy.json"):
        (home.folder / name).write_bytes(b"")

    with pytest.raises(StateDamaged, match="make clean"):
        home.secrets(["a"])

    assert (home.folder / "secrets.json").read_bytes() == b""
    assert home.is_ours()


def test_lost_secrets_of_nothing_are_made_anew(home: Home) -> None:
    first = home.secrets(["a"])
    for name in ("secrets.json", "secrets.copy.json"):
        (home.folder / name).write_bytes(b"")

    assert home.secrets(["a"]) != first


@pytest.mark.parametrize("damage", damaged_in_each_way())
def test_a_report_that_cannot_be_read_counts_as_none(home: Home, damage: bytes) -> None:
    home.folder.mkdir()
    (home.folder / "status.json").write_bytes(damage)

    assert daemon.read_report(home) is None


def test_a_file_is_replaced_in_one_step_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_private(file, b"first")
    write_private(file, b"second", durable=False)

    assert file.read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.json"
    write_private(file, b"first")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(file, b"second")

    assert file.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_what_a_process_that_died_was_writing_is_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.secrets(["a"])
    left = home.folder / "secrets.json.4711.partial"
    left.write_bytes(b'{"a": "sec')

    def refuse(*_: object) -> None:
        raise StateDamaged("enough seen")

    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    monkeypatch.setattr(daemon, "_prepare", refuse)
    assert daemon.serve(home, 1, 1, home.folder / "packages") == 1

    assert not left.exists()
    assert (home.folder / "secrets.json").exists()


def test_only_a_folder_that_was_made_here_counts_as_ours(tmp_path: Path, home: Home) -> None:
    assert not Home(tmp_path).is_ours()
    home.secrets(["a"])
    assert home.is_ours()


def test_a_servers_folder_is_made_in_place_where_it_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "user_for_servers", lambda: None)

    assert unprivileged.own_folder(tmp_path / "postgres") == tmp_path / "postgres"
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700


def test_no_permission_of_a_parent_is_loosened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, elsewhere = tmp_path / "private", tmp_path / "elsewhere"
    private.mkdir(mode=0o700)
    elsewhere.mkdir()
    monkeypatch.setattr(unprivileged, "user_for_servers", lambda: "someone")
    monkeypatch.setattr(unprivileged, "_give_to", lambda *_: None)
    monkeypatch.setattr(unprivileged, "_ELSEWHERE", elsewhere)

    folder = unprivileged.own_folder(private / "postgres")

    assert folder.parent == elsewhere
    assert (private / "postgres").resolve() == folder
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert unprivileged.own_folder(private / "postgres") == folder
    unprivileged.forget(private / "postgres")
    assert not folder.exists()
    assert not (private / "postgres").is_symlink()


def test_a_server_whose_files_are_gone_is_not_started_on_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "postgres").symlink_to(tmp_path / "gone")

    with pytest.raises(unprivileged.FolderLost, match="make clean"):
        unprivileged.own_folder(tmp_path / "postgres")

    unprivileged.forget(tmp_path / "postgres")
    assert unprivileged.own_folder(tmp_path / "postgres").is_dir()
    unprivileged.forget(tmp_path / "postgres")


@pytest.mark.parametrize("copied", [False, True])
def test_an_interrupted_move_of_a_servers_files_loses_none(tmp_path: Path, copied: bool) -> None:
    (tmp_path / "postgres.moved").mkdir()
    (tmp_path / "postgres.moved" / "table").write_text("rows")
    if copied:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "table").write_text("rows")
        (tmp_path / "postgres").symlink_to(tmp_path / "elsewhere")

    folder = unprivileged.own_folder(tmp_path / "postgres")

    assert (folder / "table").read_text() == "rows"
    assert not (tmp_path / "postgres.moved").exists()
    unprivileged.forget(tmp_path / "postgres")
