"""A viewer: the watch page in headless Chromium, whose pictures are read as they are shown."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

import msgspec
from playwright.sync_api import Browser, Page

from benchmarks.live.clock import READER
from tests.e2e.browsing import fresh_page
from tests.e2e.people import until

_PATIENCE: Final = 120.0
QUALITIES: Final = ("720p", "480p", "240p")
"""What viewers of the picture with the clock can choose."""

_WATCH: Final = f"""
{READER}
window.shown = [];
window.waits = [];
const watched = document.querySelector('video');
watched.addEventListener('waiting', () => waits.push(Date.now() / 1000));
function note(_, picture) {{
  shown.push([Date.now() / 1000, ageOf(watched), picture.mediaTime, watched.videoHeight]);
  watched.requestVideoFrameCallback(note);
}}
watched.requestVideoFrameCallback(note);
"""

# From a click on a link to the first picture, and from the click on Play, in milliseconds.
_CLICK: Final = """async title => {
  const found = (query) => new Promise(resolve => {
    const look = () => {
      const element = document.querySelector(query);
      if (element) resolve(element); else requestAnimationFrame(look);
    };
    look();
  });
  const link = [...document.querySelectorAll('a')].find(a => a.textContent.trim() === title);
  const clicked = performance.now();
  link.click();
  const play = await found(`button[aria-label^="Play "]`);
  const pressed = performance.now();
  play.click();
  const video = await found('video');
  await new Promise(resolve => video.requestVideoFrameCallback(resolve));
  const shown = performance.now();
  return [shown - clicked, shown - pressed];
}"""


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """A picture that was shown ``at`` a time in Unix seconds. ``age``: since its clock was drawn,
    in seconds; None where that could not be read. ``place``: in the stream, in seconds."""

    at: float
    age: float | None
    place: float
    height: int


class Viewer:
    """Somebody who watches a live."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def watch(self, video_id: str) -> None:
        """Open its page, press Play, and note each picture from then on."""
        self._page.goto(f"/watch/{video_id}")
        self._page.locator("button[aria-label^='Play ']").click(timeout=_PATIENCE * 1000)
        self._page.evaluate(_WATCH)
        until(lambda: len(self.shown()) > 5, _PATIENCE)

    def shown(self) -> list[Shown]:
        """All pictures so far."""
        return msgspec.convert(self._page.evaluate("shown"), list[Shown], strict=False)

    def waits(self) -> list[float]:
        """When there was nothing to show, in Unix seconds."""
        found: list[float] = self._page.evaluate("waits")
        return found

    def sees_what_is_drawn_after(self, moment: float) -> None:
        """Wait for a picture whose clock was drawn after a time in Unix seconds."""

        def has_come() -> bool:
            return any(
                each.age is not None and each.at - each.age > moment for each in self.shown()
            )

        until(has_come, _PATIENCE)

    def choose(self, quality: str) -> None:
        """By the player's own menu."""
        self._page.locator("video").hover()
        self._page.get_by_role("button", name="Settings").click()
        self._page.get_by_text(quality, exact=True).last.click()
        self._page.keyboard.press("Escape")

    def start(self, title: str) -> tuple[float, float]:
        """Seconds from the click on a link of the first page to the first picture; from Play."""
        self._page.goto("/")
        self._page.get_by_role("link", name=title).first.wait_for()
        click, play = self._page.evaluate(_CLICK, title)
        return click / 1000, play / 1000

    def rest(self, seconds: float) -> None:
        """Let it play; ``time.sleep`` would hold up what the browser says."""
        self._page.wait_for_timeout(seconds * 1000)


@contextmanager
def watching(browser: Browser, url: str) -> Iterator[Viewer]:
    """A viewer who is here for the first time: nothing is in the browser's cache."""
    with fresh_page(browser, url) as page:
        yield Viewer(page)


def ages(shown: Sequence[Shown], since: float) -> list[float]:
    """Of the pictures from a time on, in seconds."""
    return [each.age for each in shown if each.age is not None and each.at >= since]


def stands(shown: Sequence[Shown], since: float) -> list[tuple[float, float]]:
    """From a time on: when each picture was shown, and for how many seconds; not the last one's."""
    times = [each.at for each in shown if each.at >= since]
    return [(sooner, later - sooner) for sooner, later in pairwise(times)]


def longest(found: Sequence[tuple[float, float]]) -> float:
    """The most seconds for which one picture stood."""
    return max((seconds for _, seconds in found), default=0.0)


def now() -> float:
    """The time of day of all on this machine, in Unix seconds."""
    return time.time()
