"""A real browser, and what people do in it again and again."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.e2e.people import PASSWORD

# The second half keeps Chromium from asking for addresses that a closed network refuses.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


# A camera and a microphone that show and say the same again and again.
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@contextmanager
def running_browser(*more: str) -> Iterator[Browser]:
    """Debian's Chromium, without a screen. ``more``: arguments."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: apt-get install chromium"
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, *more])
        yield browser
        browser.close()


@contextmanager
def fresh_page(browser: Browser, url: str, *, phone: bool = False) -> Iterator[Page]:
    """A fresh profile. A script error or a violation of the page's own policy fails the test."""
    size: ViewportSize = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
    context = browser.new_context(base_url=url, viewport=size, has_touch=phone, is_mobile=phone)
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    yield page
    # What a test puts in the way of requests may still be at one when a page goes.
    for still_open in context.pages:
        still_open.unroute_all(behavior="ignoreErrors")
    context.close()
    assert errors == [], errors


def join(page: Page, name: str) -> None:
    page.goto("/signup")
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("button", name=f"Account menu of {name}")).to_be_visible()


def log_in(page: Page, name: str) -> None:
    page.goto("/login")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name=f"Account menu of {name}")).to_be_visible()
