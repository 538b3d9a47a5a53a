"""Every kind of menu and dialog, by mouse, by touch and by the keyboard alone."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browsing import fresh_page, log_in
from tests.e2e.people import SMALL, sign_up, until
from tests.support.stack import RunningStack

Press = Callable[[Locator], None]


def rate(page: Page) -> float:
    speed: float = page.locator("video").evaluate("v => v.playbackRate")
    return speed


@pytest.fixture(scope="module")
def owned(cinelog: RunningStack) -> Iterator[tuple[str, str]]:
    """Somebody's name and finished video."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(SMALL, "A menu's film")
        assert person.finish(video_id)["status"] == "completed"
        yield person.name, video_id


def choose_everything(page: Page, name: str, video_id: str, press: Press) -> None:
    """Quality, speed, the account menu, the theme, the dialogs of a video's owner."""
    page.goto(f"/watch/{video_id}")
    settings = page.get_by_role("button", name="Settings")
    press(settings)
    # Nothing of it is cut off by the player's edge.
    player = page.get_by_role("region", name="Player").bounding_box()
    menu = page.get_by_role("group", name="Quality").locator("..").bounding_box()
    assert player is not None
    assert menu is not None
    assert menu["y"] >= player["y"]
    assert menu["x"] >= player["x"]
    press(page.get_by_text("1.5×"))
    until(lambda: rate(page) == 1.5)
    press(page.get_by_role("group", name="Quality").locator("label").last)
    expect(page.get_by_role("group", name="Quality").get_by_role("radio").last).to_be_checked()
    press(page.get_by_role("heading", level=1))
    expect(page.get_by_role("group", name="Speed")).to_be_hidden()

    press(page.get_by_role("button", name=f"Account menu of {name}"))
    press(page.get_by_role("group", name="Theme").get_by_title("Dark"))
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    press(page.get_by_role("button", name="Edit"))
    dialog = page.get_by_role("dialog")
    press(dialog.get_by_text("Unlisted"))
    press(dialog.get_by_role("button", name="Save"))
    expect(page.get_by_text("only people with the link")).to_be_visible()
    press(page.get_by_role("button", name="Delete", exact=True))
    press(dialog.get_by_role("button", name="Cancel"))
    expect(dialog).to_be_hidden()

    press(page.get_by_role("button", name=f"Account menu of {name}"))
    press(page.get_by_text("Signed in as"))
    press(page.get_by_role("link", name="My channel"))
    page.wait_for_url(f"**/u/{name}")
    expect(page.get_by_role("link", name="My channel")).to_be_hidden()


def test_by_mouse(page: Page, owned: tuple[str, str]) -> None:
    log_in(page, owned[0])
    choose_everything(page, *owned, press=lambda target: target.click())


def test_by_touch(browser: Browser, cinelog: RunningStack, owned: tuple[str, str]) -> None:
    with fresh_page(browser, cinelog.url, phone=True) as page:
        log_in(page, owned[0])
        choose_everything(page, *owned, press=lambda target: target.tap())
