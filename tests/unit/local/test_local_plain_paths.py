"""Programs whose scripts do not quote paths get paths without spaces."""

import shutil
from pathlib import Path

from deploy.local.parts.plain_paths import plain


def test_plain_paths_are_used_as_they_are(tmp_path: Path) -> None:
    assert plain(tmp_path, {"a": tmp_path / "a"}) == (tmp_path / "a",)
    assert not list(tmp_path.iterdir())


def test_others_are_reached_by_links_that_stay_the_same(tmp_path: Path) -> None:
    home = tmp_path / "Zoë's clips, (2)"
    target = home / "data"
    target.mkdir(parents=True)
    (target / "file").write_text("x")
    folders = {"data": target, "other": home / "not there yet"}

    first = plain(home, folders)
    try:
        assert not any(" " in str(path) for path in first)
        assert (first[0] / "file").read_text() == "x"
        assert plain(home, folders) == first
    finally:
        # As when the temporary folders are deleted.
        shutil.rmtree(first[0].parent)
    again = plain(home, folders)
    try:
        assert (again[0] / "file").read_text() == "x"
    finally:
        shutil.rmtree(again[0].parent)
