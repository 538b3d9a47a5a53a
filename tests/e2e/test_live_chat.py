"""Two people in one live: they write to each other, and one of them has too much to say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browsing import fresh_page, log_in
from tests.e2e.people import Person, sign_up
from tests.e2e.test_live_players import live, running
from tests.e2e.test_live_takeover import publishing
from tests.support.flv_files import flv
from tests.support.stack import RunningStack

RATE, SECONDS = 10, 600


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small picture, for longer than anybody writes."""
    target = tmp_path_factory.mktemp("live") / "clip.flv"
    flv(target, seconds=SECONDS, rate=RATE, gop=RATE, size="160x90")
    return target


@pytest.fixture
def guest(cinelog: RunningStack) -> Iterator[Person]:
    """Somebody else."""
    with sign_up(cinelog.url, "guest") as guest:
        yield guest


@pytest.fixture
def two(
    browser: Browser, cinelog: RunningStack, person: Person, guest: Person, clip: Path
) -> Iterator[tuple[Page, Page]]:
    """The pages of a running live's owner and of a guest."""
    stream, address = live(person, cinelog.url)
    with (
        publishing(clip, address),
        fresh_page(browser, cinelog.url) as owners,
        fresh_page(browser, cinelog.url) as guests,
    ):
        video = running(person, stream)["id"]
        for page, name in ((owners, person.name), (guests, guest.name)):
            log_in(page, name)
            page.goto(f"/watch/{video}")
        yield owners, guests


def write(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()


def messages(page: Page) -> Locator:
    return page.get_by_role("log", name="Messages")


def moderate(page: Page, text: str, action: str) -> None:
    line = messages(page).get_by_role("listitem").filter(has_text=text)
    line.hover()
    line.get_by_role("button", name=action).click()


def test_messages_cross_and_who_is_slowed_down_or_banned_is_told(
    two: tuple[Page, Page], guest: Person
) -> None:
    owners, guests = two
    write(owners, "Welcome aboard")
    expect(messages(guests)).to_contain_text("Welcome aboard")
    write(guests, "Which boat is that?")
    write(guests, "Buy my boats")
    expect(messages(owners)).to_contain_text("Which boat is that?")
    expect(messages(owners)).to_contain_text("Buy my boats")

    moderate(owners, "Buy my boats", f"Remove the message of {guest.name}")
    expect(messages(guests)).not_to_contain_text("Buy my boats")
    expect(messages(guests)).to_contain_text("Which boat is that?")

    owners.get_by_label("Slow mode").select_option("300")
    expect(guests.get_by_text("Slow mode: one message every 300 s.")).to_be_visible()
    write(guests, "I take my time")
    expect(guests.get_by_text(re.compile(r"You can write again in \d+ s\."))).to_be_visible()
    expect(guests.get_by_role("button", name="Send")).to_be_disabled()

    moderate(owners, "Which boat is that?", f"Ban {guest.name}")
    owners.get_by_role("dialog").get_by_role("button", name="Ban").click()
    expect(messages(guests)).not_to_contain_text("Which boat is that?")
    # Whoever is banned learns it without writing.
    expect(guests.get_by_text("You can’t write in this chat.")).to_be_visible()
    expect(guests.get_by_label("Your message")).to_be_hidden()
    expect(messages(guests)).to_contain_text("Welcome aboard")
