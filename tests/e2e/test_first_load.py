"""How much script a browser fetches before the first picture: compressed bytes, as they travel."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import fresh_page
from tests.e2e.people import SMALL, Person, sign_up, until
from tests.support.stack import RunningStack

KB = 1000
# They only go down. Half of a film's is hls.js, without which nothing plays in Chromium.
HOME = 168 * KB
WATCH = 390 * KB
EMBED = 300 * KB


@pytest.fixture(scope="module")
def film(cinelog: RunningStack) -> Iterator[tuple[Person, str]]:
    """Somebody and their finished film."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(SMALL)
        assert person.finish(video_id)["status"] == "completed"
        yield person, video_id


@contextmanager
def counting(page: Page) -> Iterator[dict[str, int]]:
    """The bytes of each script that arrives, by its address."""
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    names: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def answered(event: dict[str, Any]) -> None:
        if event["type"] == "Script":
            names[event["requestId"]] = event["response"]["url"]

    def arrived(event: dict[str, Any]) -> None:
        if name := names.get(event["requestId"]):
            sizes[name.rpartition("/")[2]] = int(event["encodedDataLength"])

    client.on("Network.responseReceived", answered)
    client.on("Network.loadingFinished", arrived)
    yield sizes
    client.detach()


def test_home(browser: Browser, cinelog: RunningStack, film: tuple[Person, str]) -> None:
    with fresh_page(browser, cinelog.url) as page, counting(page) as sizes:
        page.goto("/")
        expect(page.get_by_role("link", name="A ride").first).to_be_visible()
        total = sum(sizes.values())
        assert 0 < total <= HOME, sizes


@pytest.mark.parametrize(("path", "most"), [("/watch/{}", WATCH), ("/embed/{}", EMBED)])
def test_a_film(
    browser: Browser, cinelog: RunningStack, film: tuple[Person, str], path: str, most: int
) -> None:
    with fresh_page(browser, cinelog.url) as page, counting(page) as sizes:
        page.goto(path.format(film[1]))
        until(lambda: page.locator("video").evaluate("v => v.readyState") > 1)
        total = sum(sizes.values())
        assert 0 < total <= most, sizes
