"""Going live from a browser: one person's camera, and another one who watches."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import FAKE_CAMERA, fresh_page, join, running_browser
from tests.e2e.people import until
from tests.support.stack import RunningStack

TITLE = "From the fake camera"
PLAYED = """() => {
  const video = document.querySelector('video');
  return video && {
    at: video.currentTime,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    sound: video.webkitAudioDecodedByteCount,
  };
}"""

# What tells why nothing is played.
STATE = """() => {
  const video = document.querySelector('video');
  return {
    page: document.querySelector('main')?.innerText.slice(0, 500),
    video: video && {
      paused: video.paused, ended: video.ended, at: video.currentTime, ready: video.readyState,
      duration: video.duration, source: video.currentSrc, error: video.error?.message,
    },
    asked: performance.getEntriesByType('resource').slice(-12)
      .map((each) => `${each.responseStatus} ${new URL(each.name).pathname}`),
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser(*FAKE_CAMERA) as running:
        yield running


def played(viewer: Page) -> dict[str, Any]:
    """How far picture and sound are."""
    return until(lambda: viewer.evaluate(PLAYED))


def moves_on(viewer: Page, before: dict[str, Any]) -> None:
    """Waits until picture and sound have got further than they were ``before``. What is loaded anew
    counts from zero again."""
    least = dict(before)

    def further() -> bool:
        now = viewer.evaluate(PLAYED) or {}
        least.update({name: min(least[name], now[name]) for name in now})
        return bool(now) and all(now[name] > least[name] for name in now)

    try:
        until(further)
    except AssertionError as error:
        error.add_note(f"from {before}, least {least}: {viewer.evaluate(STATE)}")
        raise


def go_live(page: Page) -> str:
    """From the header to the first picture; the address for viewers."""
    page.goto("/")
    page.get_by_role("banner").get_by_role("link", name="Go live").click()
    page.get_by_role("button", name="Use camera").click()
    expect(page.get_by_role("meter", name="Loudness")).to_be_visible()
    page.get_by_label("Title").fill(TITLE)
    page.get_by_role("main").get_by_role("button", name="Go live").click()
    expect(page.get_by_text("You are live")).to_be_visible()
    return page.get_by_label("Link for viewers", exact=True).input_value()


@pytest.mark.alone
def test_a_camera_is_live_and_a_video_at_last(browser: Browser, cinelog: RunningStack) -> None:
    with fresh_page(browser, cinelog.url) as streamer, fresh_page(browser, cinelog.url) as viewer:
        join(streamer, "radia")
        address = go_live(streamer)
        viewer.goto("/")
        lives = viewer.get_by_role("region", name="Live now")
        lives.get_by_role("link", name=TITLE).click()
        expect(viewer).to_have_url(address)
        viewer.get_by_role("button", name=f"Play {TITLE}").click()
        moves_on(viewer, played(viewer))

        streamer.get_by_role("button", name="Mute").click()
        expect(streamer.get_by_role("button", name="Mute", pressed=True)).to_be_visible()
        streamer.get_by_role("button", name="End the live").click()
        streamer.get_by_role("dialog").get_by_role("button", name="End").click()
        expect(streamer.get_by_text("The live has ended.")).to_be_visible()
        streamer.get_by_role("link", name="Watch the video").click()
        expect(streamer).to_have_url(address)
        play = streamer.get_by_role("button", name=f"Play {TITLE}")
        expect(play).to_be_visible()
        # It lasts some seconds, and may end before it is looked at again.
        before = played(streamer)
        play.click()
        moves_on(streamer, before)
        # The list learns of the end by itself.
        viewer.goto("/")
        expect(lives).to_be_hidden()
        expect(viewer.get_by_role("link", name=TITLE)).to_be_visible()
