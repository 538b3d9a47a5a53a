"""A person's whole story in a real browser: sign up, upload, watch, seek, search, tag, delete."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import join
from tests.e2e.people import BIKES, BUNNY, PASSWORD, sign_up, until
from tests.support.stack import RunningStack

DECODED = "v => v.getVideoPlaybackQuality().totalVideoFrames"


def frames(page: Page) -> int:
    count: int = page.locator("video").evaluate(DECODED)
    return count


def position(page: Page) -> float:
    seconds: float = page.locator("video").evaluate("v => v.currentTime")
    return seconds


def test_from_signing_up_to_deleting(page: Page, cinelog: RunningStack) -> None:
    join(page, "ada")

    page.goto("/upload")
    page.get_by_label("Video files", exact=True).set_input_files(BUNNY)
    title = page.get_by_label("Title")
    title.fill("Café in the meadow")
    page.get_by_label("Description").fill("A rabbit wakes up.")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.get_by_role("link", name="Watch it").click(timeout=180_000)
    page.wait_for_url("**/watch/*")
    video_id = page.url.rsplit("/", 1)[1]

    play = page.get_by_role("button", name="Play Café in the meadow")

    def picture_moves() -> bool:
        if play.is_visible():
            play.click()
        return position(page) > 1 and frames(page) > 10

    until(picture_moves)
    page.locator("video").evaluate("v => { v.currentTime = Math.min(4, v.duration - 0.5) }")
    until(lambda: position(page) >= 4)
    before = frames(page)
    page.locator("video").evaluate("v => v.play()")
    until(lambda: frames(page) > before or page.locator("video").evaluate("v => v.ended"))

    def completed() -> bool:
        answer = httpx.get(f"{cinelog.url}/api/v1/streaming/id/{video_id}", trust_env=False)
        return answer.json()["data"]["status"] == "ready"

    until(completed)

    page.get_by_label("Add a tag").fill("animation")
    page.get_by_role("button", name="Add tag").click()
    expect(page.get_by_role("link", name="#animation")).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_label("Title").fill("Café in the field")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Café in the field")).to_be_visible()

    search = page.get_by_role("searchbox", name="Search videos")
    search.fill("cafe fiel")
    search.press("Enter")
    expect(page.get_by_role("link", name="Café in the field")).to_be_visible()
    page.goto("/tags/animation")
    page.get_by_role("link", name="Café in the field").click()

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("The video has been deleted.")).to_be_visible()
    answer = httpx.get(f"{cinelog.url}/api/v1/streaming/id/{video_id}", trust_env=False)
    assert answer.status_code == 404


def test_a_reload_keeps_the_session_and_logging_out_ends_it(page: Page) -> None:
    join(page, "grace")
    page.reload()
    menu = page.get_by_role("button", name="Account menu of grace")
    expect(menu).to_be_visible()
    menu.click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("banner").get_by_role("link", name="Log in")).to_be_visible()
    page.goto("/login")
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Account menu of grace")).to_be_visible()


@contextmanager
def workers_standing_still(cinelog: RunningStack) -> Iterator[None]:
    pids = [pid for name in ("worker-1", "worker-2") if (pid := cinelog.status(name).pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_processing_is_stopped_and_taken_up_again(page: Page, cinelog: RunningStack) -> None:
    join(page, "edsger")
    with workers_standing_still(cinelog):
        page.goto("/upload")
        page.get_by_label("Video files", exact=True).set_input_files(BIKES)
        page.get_by_role("button", name="Upload", exact=True).click()
        page.get_by_role("link", name="Open its page").wait_for()
        page.goto("/videos")
        page.get_by_role("button", name="Stop processing").click()
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop processing")).to_be_hidden(timeout=120_000)


def test_an_account_is_deleted_in_the_page(page: Page) -> None:
    join(page, "barbara")
    page.goto("/account")
    page.get_by_role("button", name="Delete my account").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete everything").click()
    expect(page.get_by_text("Your account has been deleted.")).to_be_visible()
    expect(page.get_by_role("banner").get_by_role("link", name="Log in")).to_be_visible()
    page.goto("/login")
    page.get_by_label("Username").fill("barbara")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_file_that_is_no_video_is_refused_in_words(page: Page, tmp_path: object) -> None:
    join(page, "linus")
    page.goto("/upload")
    page.get_by_label("Video files", exact=True).set_input_files(
        {"name": "notes.mp4", "mimeType": "video/mp4", "buffer": b"not a video at all" * 100}
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("This is not a video")).to_be_visible()


def test_a_file_may_be_dropped_anywhere(page: Page) -> None:
    join(page, "dropper")
    page.goto("/tags")
    # What is shown before it takes nothing yet.
    expect(page.get_by_role("heading", name="Tags", exact=True)).to_be_visible()
    held = page.evaluate_handle(
        """() => {
          const held = new DataTransfer();
          held.items.add(new File(['x'], 'walk.mp4', { type: 'video/mp4' }));
          return held;
        }"""
    )
    for event in ("dragover", "drop"):
        page.get_by_role("main").dispatch_event(event, {"dataTransfer": held})
    page.wait_for_url("**/upload")
    expect(page.get_by_role("article", name="walk")).to_be_visible()


def test_a_phone_in_the_dark(browser: Browser, cinelog: RunningStack) -> None:
    """Nothing is wider than the screen, play can be tapped, and dark is dark."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(BIKES, "Bikes at night")
        assert person.finish(video_id)["status"] == "completed"
    context = browser.new_context(
        base_url=cinelog.url,
        viewport={"width": 375, "height": 740},
        color_scheme="dark",
        has_touch=True,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    for path in ("/", "/signup", "/search?q=bikes", "/tags"):
        page.goto(path)
        expect(page.get_by_role("main")).to_be_visible()
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, path
    page.goto(f"/watch/{video_id}")
    page.get_by_role("button", name="Play Bikes at night").tap()
    until(lambda: position(page) > 0.5)
    scheme = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    context.close()
    assert scheme == "dark"
