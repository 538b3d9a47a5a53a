"""What publishers need: Debian's programs, and a stack that receives by every protocol."""

import os
from collections.abc import Iterator

import pytest

from tests.publishers.debian_programs import DebianPrograms
from tests.support.stack import RunningStack
from tests.support.whole_stack import whole_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what stands beside this file, unless it was asked for."""
    if os.environ.get("CINELOG_TEST_PUBLISHERS"):
        return
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason="make test-live-publishers runs it"))


@pytest.fixture(scope="session")
def programs() -> DebianPrograms:
    """Fetched once, some 100 MB."""
    return DebianPrograms()


@pytest.fixture(scope="session")
def receiver() -> Iterator[RunningStack]:
    """The whole of Cinelog, as ``make up`` has it."""
    with whole_stack(1, {"LIVE_CORES": "64", "MAX_LIVES_PER_USER": "100"}) as stack:
        yield stack
