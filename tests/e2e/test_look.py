"""How pages look: nothing moves while they load, fingers hit, paper is light."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browsing import fresh_page, log_in
from tests.e2e.people import SMALL, sign_up
from tests.support.stack import RunningStack

WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { hadRecentInput, value, sources } of list.getEntries()) {
    const moved = sources.map(({ node, previousRect, currentRect }) =>
      [node?.className ?? node?.nodeName, previousRect.y, currentRect.y]);
    if (!hadRecentInput) window.shifts.push({ value, moved });
  }
}).observe({ type: 'layout-shift', buffered: true });
"""
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Links within a text are as high as its lines; what covers a card is hit anywhere on it.
TOO_SMALL = """() => {
  const MIN = 44;
  const targets = [...document.querySelectorAll('a, button, label:has(input), select, summary, ' +
    'input:not(label input, [hidden], .hidden)')];
  const hit = (element, x, y) => element.contains(document.elementFromPoint(x, y));
  return targets.filter((element) => {
    element.scrollIntoView({ block: 'center' });
    const box = element.getBoundingClientRect();
    const inText = getComputedStyle(element).display === 'inline';
    if (!element.checkVisibility() || box.width <= 1 || inText) return false;
    const x = box.left + box.width / 2;
    const y = box.top + box.height / 2;
    const reach = MIN / 2 - 1;
    return hit(element, x, y) && !(hit(element, x, y - reach) && hit(element, x, y + reach));
  }).map((element) => element.outerHTML.slice(0, 160));
}"""


@pytest.fixture(scope="module")
def owned(cinelog: RunningStack) -> Iterator[tuple[str, str]]:
    """Somebody's name and finished video; they have a live stream, too."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(SMALL, "Looked at")
        assert person.finish(video_id)["status"] == "completed"
        person.client.post(f"/api/v1/tags/{video_id}", json={"tags": ["look"]}).raise_for_status()
        stream = {"title": "Walk", "visibility": "public"}
        person.client.post("/api/v1/live/streams", json=stream).raise_for_status()
        yield person.name, video_id


class Gate:
    """Holds answers back until it is opened."""

    def __init__(self, page: Page) -> None:
        self._held: list[Route] | None = None
        for slow in ("**/api/v1/**", "**/*.woff2"):
            page.route(slow, self._pass)

    def close(self) -> None:
        self._held = []

    def open(self) -> None:
        held, self._held = self._held or [], None
        for route in held:
            route.continue_()

    def _pass(self, route: Route) -> None:
        if self._held is None:
            route.continue_()
        else:
            self._held.append(route)


def load_slowly(page: Page, gate: Gate, path: str) -> None:
    """Load a page whose data and fonts come after its frame: nothing moves."""
    gate.close()
    page.goto(path, wait_until="commit")
    expect(page.get_by_role("main")).to_be_visible()
    page.evaluate(DRAWN)
    gate.open()
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    expect(page.locator("main .shimmer")).to_have_count(0)
    page.evaluate(DRAWN)
    shifts = page.evaluate("() => window.shifts")
    assert sum(shift["value"] for shift in shifts) <= 0.01, (path, shifts)


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_nothing_moves_and_fingers_hit(
    browser: Browser, cinelog: RunningStack, owned: tuple[str, str], phone: bool
) -> None:
    name, video_id = owned
    with fresh_page(browser, cinelog.url, phone=phone) as page:
        page.add_init_script(WATCH_SHIFTS)
        log_in(page, name)
        gate = Gate(page)
        small: list[str] = []
        for path in (
            *(
                "/",
                "/videos",
                "/videos/bin",
                "/tags",
                "/tags/look",
                "/search?q=looked",
                f"/u/{name}",
                "/upload",
            ),
            *("/account", "/live", "/live/now", f"/watch/{video_id}", f"/watch/{video_id}/story"),
        ):
            load_slowly(page, gate, path)
            if phone:
                small += [f"{path}: {what}" for what in page.evaluate(TOO_SMALL)]
        assert not small, "\n".join(small)


def test_the_theme_paper_and_the_line_below_the_header(page: Page, owned: tuple[str, str]) -> None:
    page.goto("/")
    expect(page.get_by_role("main").get_by_role("link").first).to_be_visible()
    page.get_by_role("banner").get_by_role("button", name="Theme").click()
    page.get_by_role("banner").get_by_title("Dark").click()
    paint = "() => getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(paint) == "rgb(15, 20, 18)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(paint) == "rgb(243, 245, 241)"
    page.emulate_media(media="screen")
    # Also on a page that is shorter than the screen, as one that needs no scroll bar.
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.goto("/login")
    header = page.get_by_role("banner")
    assert header.evaluate("line => line.getBoundingClientRect().right === window.innerWidth")


def test_without_script_it_says_what_to_do(browser: Browser, cinelog: RunningStack) -> None:
    context = browser.new_context(base_url=cinelog.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_role("heading", name="Cinelog needs JavaScript")).to_be_visible()
    page.get_by_role("link", name="API").click()
    page.wait_for_url("**/docs")
    context.close()
