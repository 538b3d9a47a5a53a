"""A video on other pages and in chats: what programs read, the player in a frame, the dialog."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import log_in
from tests.e2e.people import SMALL, Person, sign_up, until
from tests.support.stack import RunningStack

AXE = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
TITLE = '"><script>alert(1)</script> & </title> ride'


@pytest.fixture(scope="module")
def shared(cinelog: RunningStack) -> Iterator[tuple[Person, str]]:
    """Somebody and their finished video, whose title would like to be more than text."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(SMALL, TITLE)
        assert person.finish(video_id)["status"] == "completed"
        yield person, video_id


def accessible(page: Page) -> None:
    """No rule of axe is broken, in any frame that is looked at by itself."""
    page.evaluate(AXE.read_text())
    broken = page.evaluate("async () => (await axe.run()).violations.map((rule) => rule.id)")
    assert broken == []


def seconds(page: Page, frame: str = "") -> float:
    video = page.frame_locator(frame).locator("video") if frame else page.locator("video")
    at: float = video.evaluate("v => v.currentTime")
    return at


def test_programs_read_what_a_page_shows(cinelog: RunningStack, shared: tuple[Person, str]) -> None:
    person, video_id = shared
    with httpx.Client(base_url=cinelog.url, trust_env=False, timeout=60) as robot:
        page = robot.get(f"/watch/{video_id}")
        assert page.status_code == 200
        found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.text)
        data = json.loads(found[0])
        assert data["name"] == TITLE
        assert robot.get(data["thumbnailUrl"][0]).headers["content-type"] == "image/webp"
        assert robot.get(data["contentUrl"]).is_success
        oembed = robot.get("/oembed?" + urlencode({"url": data["url"]})).json()
        assert oembed["title"] == TITLE
        for path in ("/feed.atom", "/feed.rss", f"/u/{person.name}/feed.rss", "/sitemaps/1.xml"):
            assert video_id in robot.get(path).text
        for path in ("/sitemap.xml", "/robots.txt", "/favicon.ico", "/icon-512.png"):
            assert robot.get(path).status_code == 200

        secret = person.upload(SMALL, "Between us")
        private = {"visibility": "private"}
        until(
            lambda: (
                person.client.patch(
                    f"/api/v1/streaming/{secret}/visibility", json=private
                ).is_success
            )
        )
        for path in (f"/watch/{secret}", f"/embed/{secret}"):
            answer = robot.get(path)
            assert answer.status_code == 404
            assert "Between us" not in answer.text
        person.client.patch(
            f"/api/v1/streaming/{secret}/visibility", json={"visibility": "public"}
        ).raise_for_status()
        assert "Between us" in robot.get(f"/watch/{secret}").text
        person.client.delete(f"/api/v1/streaming/{secret}").raise_for_status()
        assert robot.get(f"/watch/{secret}").status_code == 410


@contextmanager
def another_site(html: str) -> Iterator[str]:
    """A page at an address of its own."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_frame_of_another_site_plays(
    page: Page, cinelog: RunningStack, shared: tuple[Person, str]
) -> None:
    frame = (
        f'<iframe src="{cinelog.url}/embed/{shared[1]}?t=2&autoplay=1" width="640" height="360"'
        ' allow="autoplay; fullscreen"></iframe>'
    )
    with another_site(frame) as elsewhere:
        page.goto(elsewhere)
        until(lambda: seconds(page, "iframe") > 2.2)
        player = page.frame_locator("iframe")
        expect(player.get_by_role("link", name="ride")).to_have_attribute(
            "href", f"/watch/{shared[1]}?t=2"
        )
    # The whole site is framed by nobody.
    policy = page.request.get(f"{cinelog.url}/watch/{shared[1]}").headers
    assert policy["x-frame-options"] == "DENY"
    page.goto(f"{cinelog.url}/embed/{shared[1]}")
    expect(page.get_by_role("button", name="Play").first).to_be_visible()
    accessible(page)
    page.goto(f"{cinelog.url}/embed/0190b7a8-1111-7000-8000-000000000001")
    expect(page.get_by_text("This video isn’t here")).to_be_visible()
    accessible(page)


def test_a_link_begins_at_its_moment_and_the_dialog_makes_one(
    page: Page, cinelog: RunningStack, shared: tuple[Person, str]
) -> None:
    person, video_id = shared
    log_in(page, person.name)
    page.goto(f"/watch/{video_id}?t=2s")
    page.get_by_role("region", name="Player").get_by_role("button", name="Play").first.click()
    until(lambda: seconds(page) >= 2)
    page.locator("video").evaluate("v => v.pause()")
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog")
    link = dialog.get_by_label("Link", exact=True)
    expect(link).to_have_value(f"{cinelog.url}/watch/{video_id}")
    dialog.get_by_text("Start at 0:0").click()
    expect(link).to_have_value(re.compile(rf"/watch/{video_id}\?t=\d$"))
    code = dialog.get_by_label("Embed code", exact=True)
    expect(code).to_have_value(re.compile(rf"/embed/{video_id}\?t=\d"))
    accessible(page)
    page.set_viewport_size({"width": 320, "height": 700})
    wide = "() => document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 320
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
