"""A viewer of a running live goes back to its beginning, and to the edge again."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import fresh_page
from tests.e2e.people import Person, until
from tests.e2e.test_live_players import live, running
from tests.e2e.test_live_takeover import playlist, publishing
from tests.support.flv_files import flv
from tests.support.stack import RunningStack

TITLE = "From the roof"
RATE, SECONDS = 25, 300
RED_SECONDS = 30
RED_THEN_GREEN = f"drawbox=color=red:t=fill,drawbox=color=lime:t=fill:enable='gte(t,{RED_SECONDS})'"
SEEN = """() => {
  const video = document.querySelector('video');
  if (!video || video.seeking || video.readyState < 2) return null;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 1, 1);
  const [red, green] = context.getImageData(0, 0, 1, 1).data;
  return {
    colour: red > green ? 'red' : 'green',
    at: video.currentTime,
  };
}"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red for its first seconds, green afterwards."""
    target = tmp_path_factory.mktemp("live") / "clip.flv"
    options = ("-vf", RED_THEN_GREEN)
    flv(target, *options, seconds=SECONDS, rate=RATE, gop=RATE, size="320x180")
    return target


@pytest.fixture
def viewer(browser: Browser, cinelog: RunningStack) -> Iterator[Page]:
    with fresh_page(browser, cinelog.url) as page:
        yield page


def sees(viewer: Page, colour: str) -> dict[str, Any]:
    """Wait until a picture of this colour is there; the player's state then."""

    def shown() -> Any:
        seen = viewer.evaluate(SEEN)
        return seen if seen and seen["colour"] == colour else None

    return until(shown)


def plays_on(viewer: Page, colour: str) -> dict[str, Any]:
    """Wait until two seconds that follow were played, all of this colour."""
    before = sees(viewer, colour)

    def further() -> Any:
        seen = viewer.evaluate(SEEN)
        if not seen:
            return None
        assert seen["colour"] == colour, (before, seen)
        return seen if seen["at"] > before["at"] + 2 else None

    return until(further)


def has_lost(person: Person, video: str, segment: int) -> bool:
    """Whether the playlist of the newest minute has forgotten a segment, but not all."""
    text = playlist(person, video, "top.m3u8")
    first = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)
    return first is not None and int(first[1]) > segment


@pytest.mark.alone
def test_the_beginning_is_played_while_the_live_goes_on(
    cinelog: RunningStack, person: Person, viewer: Page, clip: Path
) -> None:
    stream, address = live(person, cinelog.url)
    with publishing(clip, address):
        video = running(person, stream)["id"]
        until(lambda: playlist(person, video, "top.m3u8").count("#EXTINF") > RED_SECONDS / 2 + 1)
        # Its list begins with the live's beginning, of which nothing is loaded.
        viewer.goto(f"/watch/{video}")
        sees(viewer, "green")
        viewer.get_by_role("button", name=f"Play {TITLE}").click()
        plays_on(viewer, "green")

        until(lambda: has_lost(person, video, segment=5))
        viewer.keyboard.press("1")
        plays_on(viewer, "red")
        viewer.keyboard.press("k")
        viewer.keyboard.press("0")
        until(lambda: sees(viewer, "red")["at"] < 1)
        viewer.keyboard.press("k")
        plays_on(viewer, "red")
        expect(viewer.get_by_text(re.compile(r"\d+ seconds? behind"))).to_be_attached()

        viewer.get_by_role("button", name="Go to live").click()
        plays_on(viewer, "green")
        expect(viewer.get_by_role("button", name="Live", exact=True)).to_be_disabled()
