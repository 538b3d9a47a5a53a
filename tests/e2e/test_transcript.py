"""A film with subtitles in its file: they become captions by themselves, and a text to read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import fresh_page
from tests.e2e.people import SMALL, Person, sign_up, until
from tests.integration.transcoder.clips import ffmpeg
from tests.support.stack import RunningStack

WEB = Path(__file__).resolve().parents[2] / "web/node_modules"
HEBREW = "שלום לכולם, ברוכים הבאים!"


def subtitles(first: str) -> str:
    """Ten lines in the first second, 400 within the next six."""
    lines = [(n * 100, n * 100 + 90, f"{first} {n}") for n in range(10)]
    lines += [(1000 + n * 15, 1010 + n * 15, f"Line {n}") for n in range(400)]
    return "\n".join(
        f"{number}\n{clock(start)} --> {clock(end)}\n{text}\n"
        for number, (start, end, text) in enumerate(lines, start=1)
    )


def clock(milliseconds: int) -> str:
    return f"00:00:{milliseconds // 1000:02},{milliseconds % 1000:03}"


@pytest.fixture(scope="module")
def film(
    cinelog: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Person, str]]:
    """A finished film whose captions came with it."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "en.srt").write_text(subtitles("Hello"))
    (folder / "he.srt").write_text(subtitles(HEBREW), encoding="utf-8")
    ffmpeg(
        *("-i", str(SMALL), "-i", str(folder / "en.srt"), "-i", str(folder / "he.srt")),
        *("-map", "0", "-map", "1", "-map", "2", "-c", "copy"),
        *("-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=heb"),
        str(folder / "film.mkv"),
    )
    with sign_up(cinelog.url) as person:
        video_id = person.upload(folder / "film.mkv", "With subtitles")
        assert person.finish(video_id)["status"] == "completed"
        until(lambda: len(person.get(f"/api/v1/videos/{video_id}/captions")) == 2)
        yield person, video_id


def accessible(page: Page) -> None:
    page.evaluate((WEB / "axe-core/axe.min.js").read_text())
    broken = page.evaluate("async () => (await axe.run()).violations.map((rule) => rule.id)")
    assert broken == []


def test_subtitles_of_the_file_are_captions(film: tuple[Person, str]) -> None:
    person, video_id = film
    tracks = person.get(f"/api/v1/videos/{video_id}/captions")
    assert [(each["language"], each["origin"]) for each in tracks] == [
        ("en", "file"),
        ("he", "file"),
    ]
    master = person.client.get(person.get(f"/api/v1/streaming/id/{video_id}")["video"]).text
    assert 'LANGUAGE="he"' in master


def test_the_transcript_follows_is_searched_and_leads_to_its_moments(
    browser: Browser, cinelog: RunningStack, film: tuple[Person, str]
) -> None:
    _, video_id = film
    with fresh_page(browser, cinelog.url) as page:
        page.goto(f"/watch/{video_id}")
        text = page.get_by_role("list", name="Transcript")
        expect(text.get_by_role("link").first).to_be_visible()
        assert text.get_by_role("link").count() < 200
        expect(text).to_contain_text("Line 399")
        accessible(page)
        video = page.locator("video")
        until(lambda: video.evaluate("v => v.readyState") > 1)
        top = page.evaluate("scrollY")
        text.get_by_role("link", name="Line 20", exact=False).click()
        until(lambda: video.evaluate("v => v.currentTime") >= 1.3)
        expect(text.locator("[aria-current]")).to_contain_text("Line")
        assert page.evaluate("scrollY") == top
        page.get_by_label("Search in the transcript").fill("hello 3")
        expect(text.get_by_role("link")).to_have_count(1)
        page.keyboard.press("Enter")
        until(lambda: video.evaluate("v => v.currentTime") < 1.3)
        page.get_by_label("Search in the transcript").fill("")
        page.get_by_label("Language of the transcript").select_option("he")
        expect(text.get_by_text(HEBREW).first).to_be_visible()
        accessible(page)
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download the transcript").click()
        assert saved.value.suggested_filename == "With subtitles.he.txt"


def test_on_a_phone_it_is_folded_away(
    browser: Browser, cinelog: RunningStack, film: tuple[Person, str]
) -> None:
    _, video_id = film
    with fresh_page(browser, cinelog.url, phone=True) as page:
        page.goto(f"/watch/{video_id}")
        fold = page.get_by_role("button", name="Transcript", exact=True)
        expect(fold).to_have_attribute("aria-expanded", "false")
        fold.tap()
        expect(
            page.get_by_role("list", name="Transcript").get_by_role("link").first
        ).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        accessible(page)
