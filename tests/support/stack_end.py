"""Ends the whole of Cinelog after the last test that uses it, not at the end of the run.

A pytest plugin. Without a request it uses a twentieth of a processor, and a run has many minutes of
other tests. Its tests are in one lane, one after the other; a test that comes late starts it anew.
"""

from typing import Any

import pytest

STACK_FIXTURE = "cinelog"
_STARTED = pytest.StashKey[tuple[pytest.FixtureDef[Any], Any]]()


def uses_stack(item: pytest.Item) -> bool:
    """Whether a test needs the whole of Cinelog."""
    return STACK_FIXTURE in getattr(item, "fixturenames", ())


@pytest.hookimpl
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: Any) -> None:
    """Note what has to be ended."""
    if fixturedef.argname == STACK_FIXTURE:
        request.session.stash[_STARTED] = (fixturedef, request)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End it where the next test does not use it."""
    if not uses_stack(item) or (nextitem and uses_stack(nextitem)):
        return
    if started := item.session.stash.get(_STARTED, None):
        del item.session.stash[_STARTED]
        fixturedef, request = started
        fixturedef.finish(request)
