"""Which process `make profile` looks at."""

from pathlib import Path

import msgspec
import pytest

from deploy.local.daemon import Report, ownership
from deploy.local.state import Home
from deploy.local.supervisor import Status
from tools.profiling import NotRunning, process_id


@pytest.fixture
def home(tmp_path: Path) -> Home:
    steps = [Status("gateway", "up", 4711), Status("migrations", "done")]
    report = Report(pid=1, port=8080, workers=1, steps=steps)
    (tmp_path / "status.json").write_bytes(msgspec.json.encode(report))
    return Home(tmp_path)


def test_a_process_is_found_by_the_name_that_make_status_prints(home: Home) -> None:
    with ownership(home):
        assert process_id(home, "gateway") == 4711


def test_what_runs_is_named_where_the_process_does_not(home: Home) -> None:
    with ownership(home), pytest.raises(NotRunning, match=r"'migrations'; there are: gateway$"):
        process_id(home, "migrations")


def test_nothing_is_profiled_after_make_down(home: Home) -> None:
    with pytest.raises(NotRunning, match="Cinelog is down"):
        process_id(home, "gateway")
