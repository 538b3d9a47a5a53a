"""Pages keep their width, whatever people write, on every size of screen."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import fresh_page, log_in
from tests.e2e.hostile import ARABIC, WORDS, make_hostile
from tests.e2e.people import SMALL, Person, sign_up
from tests.support.stack import RunningStack

WIDTHS = (320, 390, 768)
# What sticks out, of the page and of an open dialog.
TOO_WIDE = """() => {
  const boxes = [document.documentElement, ...document.querySelectorAll('dialog[open]')];
  return boxes.filter(box => box.scrollWidth > box.clientWidth).flatMap(box => {
    const edge = box.getBoundingClientRect().left + box.clientWidth;
    const right = element => Math.round(element.getBoundingClientRect().right);
    const out = [...box.querySelectorAll('*:not(svg, svg *)')].filter(e => right(e) > edge);
    return out.slice(0, 9).map(e => `${e.tagName} ${e.className} ${right(e)}`);
  });
}"""


@pytest.fixture(scope="module")
def owner(cinelog: RunningStack) -> Iterator[tuple[Person, str, str]]:
    """Somebody of a long name with a finished video and a live stream."""
    with sign_up(cinelog.url, "w" * 50) as person:
        video_id = person.upload(SMALL)
        assert person.finish(video_id)["status"] == "completed"
        person.client.post(f"/api/v1/tags/{video_id}", json={"tags": ["fog"]}).raise_for_status()
        made = person.client.post(
            "/api/v1/live/streams", json={"title": "Walk", "visibility": "public"}
        )
        yield person, video_id, made.json()["data"]["id"]


def fits(page: Page, where: str) -> list[str]:
    found: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        found += [f"{where} at {width}: {what}" for what in page.evaluate(TOO_WIDE)]
    return found


def test_no_text_widens_a_page(
    browser: Browser, cinelog: RunningStack, owner: tuple[Person, str, str]
) -> None:
    person, video_id, stream_id = owner
    word = quote("W" * 200)
    paths = [
        *("/", "/tags", "/videos", "/account", "/live", "/live/now", f"/live/{stream_id}"),
        *(f"/search?q={word}", f"/tags/{word}", f"/u/{word}", f"/u/{person.name}", f"/{word}"),
        *(f"/watch/{video_id}", f"/watch/{video_id}/story"),
    ]
    with fresh_page(browser, cinelog.url) as page:
        log_in(page, person.name)
        make_hostile(page, person.name)
        found: list[str] = []
        for path in paths:
            page.goto(path)
            expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
            expect(page.get_by_role("main").locator("[aria-label^=Loading]")).to_have_count(0)
            found += fits(page, path)
        page.goto("/")
        arabic = page.get_by_role("heading", name=ARABIC)
        assert arabic.first.evaluate("title => getComputedStyle(title).direction") == "rtl"
        assert not found, "\n".join(found)
        page.get_by_role("button", name="Account menu").click()
        found += fits(page, "the account menu")
        for name in ("Edit", "Delete"):
            page.goto(f"/watch/{video_id}")
            page.get_by_role("button", name=name, exact=True).click()
            found += fits(page, f"{name}'s dialog")
        page.goto("/upload")
        page.get_by_label("Video files", exact=True).set_input_files(
            [
                {"name": f"{word[:100]}.mp4", "mimeType": "video/mp4", "buffer": b"x" * 100}
                for word in WORDS
            ]
        )
        expect(page.get_by_role("article")).to_have_count(len(WORDS))
        found += fits(page, "/upload")
    assert not found, "\n".join(found)
