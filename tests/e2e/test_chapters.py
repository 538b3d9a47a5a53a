"""A description's times and addresses: chapters in the bar and in a list, links that lead."""

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import fresh_page
from tests.e2e.people import SMALL, Person, until
from tests.support.stack import RunningStack

AXE = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
DESCRIPTION = (
    "See https://example.com/path?a=b. At 0:02 he nods.\n\n0:00 Hello\n0:01 On the road\n0:03 Bye"
)


@pytest.fixture
def film(person: Person) -> str:
    """A finished video with three chapters."""
    video_id = person.upload(SMALL, "A call from the car")
    assert person.finish(video_id)["status"] == "completed"
    body = {"title": "A call from the car", "description": DESCRIPTION}
    assert person.client.put(f"/api/v1/streaming/{video_id}", json=body).is_success
    return video_id


def position(page: Page) -> float:
    at: float = page.locator("video").evaluate("v => v.currentTime")
    return at


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_times_in_a_description_lead_into_the_film(
    browser: Browser, cinelog: RunningStack, film: str, phone: bool
) -> None:
    with fresh_page(browser, cinelog.url, phone=phone) as page:
        page.goto(f"/watch/{film}")
        chapters = page.get_by_role("region", name="Chapters")
        expect(chapters.get_by_role("link")).to_have_count(3)
        until(lambda: page.locator("video").evaluate("v => v.readyState") > 2)
        # Slow enough that a busy machine sees each chapter.
        page.locator("video").evaluate("v => { v.playbackRate = 0.0625 }")
        chapters.get_by_role("link", name="On the road").press("Enter")
        until(lambda: position(page) >= 1)
        road = chapters.get_by_role("link", name="On the road")
        expect(road).to_have_attribute("aria-current", "true")
        assert road.get_attribute("href") == f"/watch/{film}?t=1"
        page.locator("video").evaluate("v => v.pause()")
        page.get_by_role("link", name="0:02").click()
        until(lambda: position(page) >= 2)
        bar = page.get_by_role("slider", name="Seek")
        expect(bar).to_have_attribute("aria-valuetext", re.compile("On the road"))
        away = page.get_by_role("link", name="https://example.com/path?a=b")
        expect(away).to_have_attribute("rel", re.compile("nofollow noopener"))
        if not phone:
            page.locator("video").evaluate("v => v.pause()")
            box = bar.bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
            expect(page.get_by_role("region", name="Player").get_by_text("Bye")).to_be_visible()
        page.evaluate(AXE.read_text())
        broken = page.evaluate("async () => (await axe.run()).violations.map((rule) => rule.id)")
        assert broken == []


def test_programs_get_chapters_as_file_and_as_clips(cinelog: RunningStack, film: str) -> None:
    with httpx.Client(base_url=cinelog.url, trust_env=False, timeout=60) as robot:
        file = robot.get(f"/api/v1/videos/{film}/chapters.vtt")
        assert file.headers["content-type"].startswith("text/vtt")
        assert "00:00:01.000 --> 00:00:03.000\nOn the road" in file.text
        page = until(lambda: robot.get(f"/watch/{film}"))
        found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.text)
        clips = json.loads(found[0])["hasPart"]
        assert [clip["startOffset"] for clip in clips] == [0, 1, 3]
        assert clips[1]["url"].endswith(f"/watch/{film}?t=1")
