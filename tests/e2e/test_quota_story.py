"""Somebody whose account is almost full: what the pages say, and how it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from tests.e2e.browsing import join
from tests.e2e.people import SMALL, until
from tests.support.stack import RunningStack


@contextmanager
def everybody_may_store(cinelog: RunningStack, size: int) -> Iterator[None]:
    killed = cinelog.restart_with("ingest", QUOTA_BYTES=str(size))
    until(lambda: cinelog.is_back("ingest", killed))
    try:
        yield
    finally:
        del cinelog.environment("ingest")["QUOTA_BYTES"]
        killed = cinelog.kill("ingest")
        until(lambda: cinelog.is_back("ingest", killed))


def choose(page: Page, title: str) -> None:
    page.get_by_role("banner").get_by_role("link", name="Upload").click()
    page.get_by_label("Video files", exact=True).set_input_files(SMALL)
    page.get_by_label("Title").fill(title)
    page.get_by_role("button", name="Upload", exact=True).click()


def open_menu(page: Page, entry: str) -> None:
    page.get_by_role("button", name="Account menu of frances").click()
    page.get_by_role("link", name=entry, exact=True).click()


def test_a_full_account_is_told_so_and_goes_on_after_a_deletion(
    page: Page, cinelog: RunningStack
) -> None:
    join(page, "frances")
    with everybody_may_store(cinelog, SMALL.stat().st_size * 11 // 10):
        choose(page, "The first")
        page.get_by_role("link", name="Open its page").or_(
            page.get_by_role("link", name="Watch it")
        ).wait_for()
        expect(page.get_by_role("note")).to_contain_text("Your account uses ")
        open_menu(page, "Account")
        expect(page.get_by_role("meter", name="Storage")).to_be_visible()

        sent: list[str] = []
        page.on("request", lambda asked: sent.append(f"{asked.method} {asked.url}"))
        choose(page, "The second")
        alert = page.get_by_role("alert").filter(has_text="used its stored bytes")
        expect(alert).to_contain_text("allowed")
        expect(alert).to_contain_text("Delete videos that you no longer need")
        assert [line for line in sent if line.startswith("POST") and "/uploads" in line]
        # Refused before a byte of the file was sent.
        assert not [line for line in sent if line.startswith("PATCH")]

        open_menu(page, "My videos")
        page.get_by_role("article").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_text("The video has been deleted.")).to_be_visible()
        # What is in the bin counts.
        page.get_by_role("main").get_by_role("link", name="Bin", exact=True).click()
        page.get_by_role("button", name="Delete now").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("The video has been deleted for good.")).to_be_visible()
        page.get_by_role("banner").get_by_role("link", name="Upload").click()
        second = page.get_by_role("article", name="The second")

        def goes_on() -> bool:
            again = second.get_by_role("button", name="Try again")
            if again.is_visible():
                again.click()
            return second.get_by_role("link", name="The second").is_visible()

        # A moment passes until what the deleted video took is counted as free.
        until(goes_on)
    expect(second.get_by_role("link", name="Watch it")).to_be_visible(timeout=120_000)
