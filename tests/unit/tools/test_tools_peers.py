"""Benchmarks go on without the programs in Go that they compare with."""

from pathlib import Path

import pytest

from benchmarks.peers.programs import built


def test_who_has_no_go_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert built("monolith", None) is None

    said = capsys.readouterr().err
    assert said == "Go is not installed, so nothing is compared with the monolith in Go.\n"


def test_who_cannot_build_is_told_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho trying >&2\necho no module proxy >&2\nexit 1\n")
    go.chmod(0o755)

    assert built("tusd", str(go)) is None

    said = capsys.readouterr().err
    assert said == "The tusd in Go is left out, as Go did not build it: no module proxy\n"
