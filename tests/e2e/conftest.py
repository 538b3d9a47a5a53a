"""Somebody to tell the stories about."""

from collections.abc import Iterator

import pytest

from tests.e2e.people import Person, sign_up
from tests.support.stack import RunningStack


@pytest.fixture
def person(cinelog: RunningStack) -> Iterator[Person]:
    """Somebody new, signed up."""
    with sign_up(cinelog.url) as person:
        yield person
