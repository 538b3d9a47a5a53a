"""What viewers meet besides pictures: a network that goes away, a film that is gone."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browsing import fresh_page
from tests.e2e.people import BIKES, SMALL, Person, until
from tests.integration.transcoder.clips import make
from tests.support.stack import RunningStack

SEGMENTS = re.compile(r"/media/.*\.(m4s|mp4)")
# More than players try by themselves before they give up.
MANY = 12
HAVE_CURRENT_DATA = 2


class Cut:
    """A network that brings some segments, and nothing more while it is cut."""

    def __init__(self, page: Page, segments: int) -> None:
        self._left: float = segments
        self.lost = 0
        page.route(SEGMENTS, self._pass)

    def mend(self) -> None:
        self._left = float("inf")

    def _pass(self, route: Route) -> None:
        if self._left > 0:
            self._left -= 1
            route.continue_()
        else:
            self.lost += 1
            route.abort("connectionfailed")


class Gone:
    """A film whose segments are not there any more."""

    def __init__(self, page: Page) -> None:
        self.refused = 0
        page.route(SEGMENTS, self._refuse)

    def _refuse(self, route: Route) -> None:
        self.refused += 1
        route.fulfill(status=404)


def state(page: Page) -> dict[str, Any]:
    video: dict[str, Any] = page.locator("video").evaluate(
        "v => ({ at: v.currentTime, ready: v.readyState, paused: v.paused })"
    )
    return video


def test_a_film_waits_for_the_network_alone(
    browser: Browser, cinelog: RunningStack, person: Person
) -> None:
    """It says so, and goes on at its place without a click; what is gone is not waited for."""
    video_id = person.upload(BIKES, "Bikes in a tunnel")
    assert person.finish(video_id)["status"] == "completed"
    with fresh_page(browser, cinelog.url) as page:
        cut = Cut(page, segments=2)
        page.goto(f"/watch/{video_id}")
        page.get_by_role("button", name="Play Bikes in a tunnel").click()
        expect(page.get_by_text("No connection. It goes on by itself.")).to_be_visible()
        # Asking for the state lets requests come in, too.
        until(lambda: state(page)["ready"] <= HAVE_CURRENT_DATA and cut.lost >= MANY)
        expect(page.get_by_role("alert")).to_have_count(0)
        before = state(page)
        assert not before["paused"]
        cut.mend()
        until(lambda: state(page)["at"] > before["at"] + 1)
        assert state(page)["at"] < before["at"] + 4
        expect(page.get_by_text("No connection. It goes on by itself.")).to_be_hidden()
    with fresh_page(browser, cinelog.url) as page:
        page.clock.install()
        gone = Gone(page)
        page.goto(f"/watch/{video_id}")
        expect(page.get_by_role("alert")).to_contain_text("This video is not available.")
        refused = gone.refused
        page.clock.run_for(60_000)
        assert gone.refused == refused


def film_in_two_languages(folder: Path) -> Path:
    """Forty seconds."""
    return make(
        folder / "film.mp4",
        *("-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:v", "libx264", "-c:a", "aac"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
        seconds=40,
        size="320x180",
    )


def test_a_film_goes_on_where_it_was_left_and_the_next_one_follows(
    browser: Browser, cinelog: RunningStack, person: Person, tmp_path: Path
) -> None:
    other = person.upload(SMALL, "The other one")
    video_id = person.upload(film_in_two_languages(tmp_path), "A long one")
    for job in (other, video_id):
        assert person.finish(job)["status"] == "completed"
    with fresh_page(browser, cinelog.url) as page:
        page.goto(f"/watch/{video_id}")
        page.get_by_role("button", name="Play A long one").click()
        page.keyboard.press("3")
        until(lambda: state(page)["at"] > 12.5)
        page.reload()
        page.get_by_role("button", name="Play A long one").click()
        until(lambda: state(page)["ready"] > HAVE_CURRENT_DATA)
        assert state(page)["at"] >= 12

        page.get_by_role("button", name="Settings").click()
        page.get_by_role("group", name="Sound").get_by_text("German").click()
        expect(page.get_by_role("group", name="Sound").get_by_label("German")).to_be_checked()
        page.keyboard.press("Escape")
        page.get_by_role("heading", level=1).click()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("i")
        expect(page.get_by_label("Statistics")).to_contain_text("320 × 180")
        page.keyboard.press("t")
        page.keyboard.press(".")
        assert state(page)["paused"]
        page.keyboard.press(" ")

        page.keyboard.press("9")
        ending = page.get_by_role("region", name="Next video")
        expect(ending).to_be_visible(timeout=60_000)
        page.wait_for_url(lambda url: video_id not in url)
        until(lambda: not state(page)["paused"] and state(page)["at"] > 0.2)
