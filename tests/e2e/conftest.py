"""Somebody to tell the stories about, and a browser to tell them in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.people import Person, sign_up
from tests.support.stack import RunningStack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def person(cinelog: RunningStack) -> Iterator[Person]:
    """Somebody new, signed up."""
    with sign_up(cinelog.url) as person:
        yield person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for a module's tests."""
    from tests.e2e.browsing import running_browser

    with running_browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser, cinelog: RunningStack) -> Iterator[Page]:
    """A page of the running product, in a fresh profile."""
    from tests.e2e.browsing import fresh_page

    with fresh_page(browser, cinelog.url) as page:
        yield page
