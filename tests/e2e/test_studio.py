"""Somebody's own videos: found again, changed together, deleted and taken back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browsing import fresh_page, log_in
from tests.e2e.people import SMALL, Person, sign_up, until
from tests.support.stack import RunningStack

WEB = Path(__file__).resolve().parents[2] / "web/node_modules"
TITLES = ("Alpha fog", "Beta sun", "Gamma fog", "Delta")


@pytest.fixture(scope="module")
def owned(cinelog: RunningStack) -> Iterator[tuple[Person, dict[str, str]]]:
    """Somebody and their videos, by title; the oldest comes first."""
    with sign_up(cinelog.url) as person:
        yield person, {title: person.upload(SMALL, title) for title in TITLES}


def accessible(page: Page) -> None:
    page.evaluate((WEB / "axe-core/axe.min.js").read_text())
    broken = page.evaluate("async () => (await axe.run()).violations.map((rule) => rule.id)")
    assert broken == []


def shown(page: Page, *titles: str) -> None:
    """The list shows these, in this order."""
    expect(page.get_by_role("main").get_by_role("heading", level=2)).to_have_text([*titles])


def visibilities(person: Person, videos: dict[str, str]) -> list[str]:
    found = [person.get(f"/api/v1/streaming/id/{video_id}") for video_id in videos.values()]
    return [video["visibility"] if video else "gone" for video in found]


def test_my_videos_are_sorted_and_found_and_the_address_knows(
    browser: Browser, cinelog: RunningStack, owned: tuple[Person, dict[str, str]]
) -> None:
    person, _ = owned
    with fresh_page(browser, cinelog.url) as page:
        log_in(page, person.name)
        page.goto("/videos")
        shown(page, *TITLES[::-1])
        page.get_by_label("Sort by").select_option("title")
        shown(page, *sorted(TITLES))
        page.get_by_label("Search my videos").fill("fog")
        shown(page, "Alpha fog", "Gamma fog")
        expect(page).to_have_url(re.compile(r"/videos\?sort=title&q=fog$"))
        page.get_by_label("Visibility").select_option("private")
        expect(page.get_by_role("heading", name="None of your videos match")).to_be_visible()
        accessible(page)
        page.go_back()
        shown(page, "Alpha fog", "Gamma fog")
        expect(page.get_by_label("Visibility")).to_have_value("")
        page.go_back()
        expect(page.get_by_label("Search my videos")).to_have_value("")
        shown(page, *sorted(TITLES))
        page.reload()
        expect(page.get_by_label("Sort by")).to_have_value("title")
        shown(page, *sorted(TITLES))


def test_several_are_changed_together_and_what_failed_is_told(
    browser: Browser, cinelog: RunningStack, owned: tuple[Person, dict[str, str]]
) -> None:
    person, videos = owned
    with fresh_page(browser, cinelog.url) as page:
        log_in(page, person.name)
        page.goto("/videos?sort=oldest")
        shown(page, *TITLES)
        page.get_by_label("Choose Alpha fog").check()
        page.get_by_label("Choose Gamma fog").click(modifiers=["Shift"])
        expect(page.get_by_text("3 videos chosen")).to_be_visible()
        page.get_by_role("button", name="Tags", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Add").fill("harbour,")
        accessible(page)
        dialog.get_by_role("button", name="Change").click()
        expect(page.get_by_text("3 videos have other tags now.")).to_be_visible()
        # Of four, one is refused: that one is named, and still chosen.
        refused = f"**/api/v1/streaming/{videos['Beta sun']}/visibility"

        def refuse(route: Route) -> None:
            route.fulfill(status=403, json={"success": False, "error": {"message": "Not today."}})

        page.route(refused, refuse)
        page.get_by_label("Choose all on this page").check()
        page.get_by_role("button", name="Visibility", exact=True).click()
        dialog.get_by_text("Private").click()
        dialog.get_by_role("button", name="Change").click()
        expect(dialog.get_by_text("3 videos are private now.")).to_be_visible()
        expect(dialog.get_by_role("alert")).to_have_text("1 video is as before:")
        expect(dialog.get_by_role("listitem")).to_have_text("Beta sunNot today.")
        accessible(page)
        page.unroute(refused)
        dialog.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("1 video is private now.")).to_be_visible()
        until(lambda: visibilities(person, videos) == ["private"] * 4)
    with fresh_page(browser, cinelog.url, phone=True) as page:
        log_in(page, person.name)
        page.goto("/videos?q=harbour&sort=oldest")
        shown(page, "Alpha fog", "Beta sun", "Gamma fog")
        # By keyboard alone, too: a checkbox is one.
        page.get_by_label("Choose Gamma fog").focus()
        page.keyboard.press("Space")
        accessible(page)
        page.get_by_role("button", name="Delete").first.tap()
        page.get_by_role("dialog").get_by_role("button", name="Delete").tap()
        expect(page.get_by_text("1 video has been deleted.")).to_be_visible()
        shown(page, "Alpha fog", "Beta sun")
        page.get_by_role("button", name="Undo").tap()
        expect(page.get_by_text("The video is back.")).to_be_visible()
        shown(page, "Alpha fog", "Beta sun", "Gamma fog")


def test_what_is_deleted_is_gone_at_once_and_can_be_taken_back(
    browser: Browser, cinelog: RunningStack, owned: tuple[Person, dict[str, str]]
) -> None:
    person, videos = owned
    assert person.finish(videos["Delta"])["status"] == "completed"
    video = until(lambda: person.get(f"/api/v1/streaming/id/{videos['Delta']}"))
    assert person.client.get(video["video"]).is_success

    def delete(page: Page) -> None:
        page.goto("/videos?q=delta")
        page.get_by_role("article").get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("You can take it back for 30 days.")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("The video has been deleted.")).to_be_visible()
        until(lambda: person.client.get(video["video"]).status_code == 404)

    with fresh_page(browser, cinelog.url) as page:
        log_in(page, person.name)
        delete(page)
        accessible(page)
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("The video is back.")).to_be_visible()
        shown(page, "Delta")
        until(lambda: person.client.get(video["video"]).is_success)
        delete(page)
        page.goto("/videos/bin")
        expect(page.get_by_text("30 days left")).to_be_visible()
        accessible(page)
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_role("heading", name="The bin is empty")).to_be_visible()
        delete(page)
    with fresh_page(browser, cinelog.url, phone=True) as page:
        log_in(page, person.name)
        page.goto("/videos/bin")
        page.get_by_role("button", name="Delete now").tap()
        accessible(page)
        page.get_by_role("dialog").get_by_role("button", name="Delete for good").tap()
        expect(page.get_by_role("heading", name="The bin is empty")).to_be_visible()
        accessible(page)
