"""Captions from the file to the picture: a person's story, and players that read playlists."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import fresh_page, log_in
from tests.e2e.people import SMALL, Person, sign_up, until
from tests.support.stack import RunningStack

WEB = Path(__file__).resolve().parents[2] / "web/node_modules"
TITLE = "A call from the car"
SRT = (
    "1\n00:00:00,000 --> 00:00:02,000\n<i>Hello</i> from the car\n\n"
    "2\n00:00:02,000 --> 00:01:00,000\n<script>alert(1)</script>Goodbye\n"
)
# Another page's player: hls.js, which chooses the first language and shows its cues.
LOAD = """(url) => {
    window.hls = new Hls({ enableWorker: false });
    hls.loadSource(url);
    hls.attachMedia(document.querySelector('video'));
}"""
CHOSEN_CUES = """() => {
    hls.subtitleDisplay = true;
    if (hls.subtitleTracks.length > 0) hls.subtitleTrack = 0;
    return [...document.querySelector('video').textTracks].flatMap((track) =>
        [...(track.cues ?? [])].map((cue) => [track.language, cue.startTime, cue.text]));
}"""


@pytest.fixture(scope="module")
def owned(cinelog: RunningStack) -> Iterator[tuple[Person, str]]:
    """Somebody and their finished video."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(SMALL, TITLE)
        assert person.finish(video_id)["status"] == "completed"
        yield person, video_id


def hold(page: Page, seconds: float) -> None:
    """Stop the film at a moment."""
    until(lambda: page.locator("video").evaluate("v => v.readyState") > 1)
    page.locator("video").evaluate("(v, s) => { v.pause(); v.currentTime = s }", seconds)


def accessible(page: Page) -> None:
    page.evaluate((WEB / "axe-core/axe.min.js").read_text())
    broken = page.evaluate("async () => (await axe.run()).violations.map((rule) => rule.id)")
    assert broken == []


def test_captions_are_uploaded_chosen_and_kept(
    browser: Browser, cinelog: RunningStack, owned: tuple[Person, str], tmp_path: Path
) -> None:
    person, video_id = owned
    for name in ("car.en.srt", "car.de.srt"):
        (tmp_path / name).write_text(SRT.replace("Hello", "Hallo") if "de" in name else SRT)
    with fresh_page(browser, cinelog.url) as page:
        log_in(page, person.name)
        page.goto(f"/watch/{video_id}")
        page.get_by_role("button", name="Captions").click()
        dialog = page.get_by_role("dialog")
        for name, language in (("car.en.srt", "English"), ("car.de.srt", "Deutsch")):
            dialog.get_by_label("File").set_input_files(tmp_path / name)
            expect(dialog.get_by_label("Language")).to_have_value(name[4:6])
            dialog.get_by_role("button", name="Add captions").click()
            expect(dialog.get_by_role("button", name=f"Remove {language}")).to_be_visible()
        accessible(page)
        dialog.get_by_role("button", name="Done").click()
        hold(page, 0.5)
        player = page.get_by_role("region", name="Player")
        player.get_by_role("button", name="Captions").click()
        page.get_by_role("group", name="Captions").get_by_text("Deutsch").click()
        expect(player.get_by_text("Hallo from the car")).to_be_visible()
        page.get_by_role("group", name="Text size").get_by_text("Large").click()
        accessible(page)
        page.keyboard.press("Escape")
        page.get_by_role("heading", level=1).click()
        page.keyboard.press("c")
        expect(player.get_by_text("Hallo from the car")).to_be_hidden()
        page.keyboard.press("c")
        expect(player.get_by_text("Hallo from the car")).to_be_visible()
        hold(page, 3)
        expect(player.get_by_text("alert(1)Goodbye")).to_be_visible()
        page.reload()
        hold(page, 0.5)
        expect(player.get_by_text("Hallo from the car")).to_be_visible()
        page.get_by_role("button", name="Captions", exact=True).last.click()
        dialog.get_by_role("button", name="Remove Deutsch").click()
        expect(dialog.get_by_role("button", name="Remove Deutsch")).to_be_hidden()
    with fresh_page(browser, cinelog.url, phone=True) as page:
        page.goto(f"/watch/{video_id}")
        hold(page, 0.5)
        player = page.get_by_role("region", name="Player")
        player.get_by_role("button", name="Captions").tap()
        page.get_by_role("group", name="Captions").get_by_text("English").tap()
        expect(player.get_by_text("Hello from the car")).to_be_visible()
        accessible(page)


def test_other_players_find_them_in_playlist_and_manifest(
    browser: Browser, cinelog: RunningStack, owned: tuple[Person, str]
) -> None:
    person, video_id = owned
    stored = person.client.put(
        f"/api/v1/videos/{video_id}/captions/en", json={"text": SRT, "label": "English"}
    )
    assert stored.is_success, stored.text
    video = until(lambda: person.get(f"/api/v1/streaming/id/{video_id}"))
    with httpx.Client(base_url=cinelog.url, trust_env=False, timeout=60) as robot:
        until(lambda: 'SUBTITLES="subs"' in robot.get(video["video"]).text)
        file = re.findall(
            r"<BaseURL>(captions/en-.*?\.vtt)</BaseURL>", robot.get(video["dash"]).text
        )
        assert len(file) == 1
        uri = httpx.URL(video["dash"]).join(file[0])
        assert "Goodbye" in robot.get(uri).text
    # Pages of others have policies of their own.
    with browser.new_context(base_url=cinelog.url, bypass_csp=True) as elsewhere:
        page = elsewhere.new_page()
        page.goto("/login")
        page.evaluate("document.body.innerHTML = '<video muted></video>'")
        page.evaluate((WEB / "hls.js/dist/hls.min.js").read_text())
        page.evaluate(LOAD, video["video"])
        until(lambda: len(page.evaluate(CHOSEN_CUES)) >= 2)
        assert ["en", 0, "<i>Hello</i> from the car"] in page.evaluate(CHOSEN_CUES)
