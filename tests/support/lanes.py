"""Tests in several lanes: how ``pytest -n 2`` hands them out.

A pytest plugin around xdist. A file's tests stay together, in the order in which they are written.
All tests of the ``cinelog`` fixture are in one lane, one after the other, so that the whole of
Cinelog starts once and ends early (``stack_end``).
Tests marked ``alone`` come last, in one lane after all others have ended. Long folders are started
first, so that the lanes end at about the same time. The parts are started once, for all lanes.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.support.lane_server import LaneServer, tell_groups
from tests.support.stack_end import uses_stack

ALONE = "alone"
STACK = "stack"
# What takes longest is first, and what takes no time is last, to fill the gaps.
LONGEST_FIRST = (
    "tests/integration/transcoder/",
    "tests/chaos/",
    "tests/e2e/",
    "tests/architecture/test_architecture_static.py",
    "tests/integration/",
    "tests/",
    "tests/unit/",
)
_SERVER = pytest.StashKey[LaneServer]()


def group(item: pytest.Item) -> str | None:
    """What a test must share a lane with, apart from the rest of its file."""
    if item.get_closest_marker("alone") is not None:
        return ALONE
    return STACK if uses_stack(item) else None


def rank(nodeid: str, group: str | None) -> int:
    """When a test's turn is; the stack's tests first, as they are one long unit."""
    if group is not None:
        return -1 if group == STACK else len(LONGEST_FIRST)
    matching = [start for start in LONGEST_FIRST if nodeid.startswith(start)]
    return LONGEST_FIRST.index(max(matching, key=len)) if matching else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests, and tell the scheduler, which sees only names, what belongs together."""
    groups = {item.nodeid: found for item in items if (found := group(item))}
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid, groups.get(item.nodeid)))
    else:
        items.sort(key=lambda item: (None, STACK, ALONE).index(groups.get(item.nodeid)))
    tell_groups(config, groups)


class Lanes(LoadScopeScheduling):
    """Units of work by file or group, in the order of the collection, ``alone`` after the rest."""

    def __init__(self, config: pytest.Config, log: Producer, server: LaneServer) -> None:
        super().__init__(config, log)
        self._server = server

    def _split_scope(self, nodeid: str) -> str:
        return self._server.groups.get(nodeid) or nodeid.partition("::")[0]

    def remove_node(self, node: WorkerController) -> str | None:
        """A lane has ended; what had to wait for that goes to the one that is left."""
        crashed = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._must_wait(node):
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if not self._must_wait(node):
            super()._reschedule(node)
        elif self._goes_first(node):
            node.shutdown()

    def _must_wait(self, node: WorkerController) -> bool:
        """Whether only ``alone`` is left, and another lane still works."""
        return next(iter(self.workqueue), None) == ALONE and self.nodes != [node]

    def _goes_first(self, node: WorkerController) -> bool:
        """Whether this lane may end now: one has to stay, and rather not beside the stack."""
        if node.shutting_down:
            return False
        staying = [other for other in self.nodes if other is not node and not other.shutting_down]
        with_stack = [other for other in staying if STACK in self.assigned_work[other]]
        return bool(staying) and len(with_stack) < len(staying)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    """Use ours, in the order of the collection."""
    config.option.loadscopereorder = False
    return Lanes(config, log, _server(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a new lane where to ask."""
    node.workerinput["lane_server"] = _server(node.config).address


def _server(config: pytest.Config) -> LaneServer:
    if _SERVER not in config.stash:
        config.stash[_SERVER] = LaneServer()
        config.add_cleanup(config.stash[_SERVER].close)
    return config.stash[_SERVER]
