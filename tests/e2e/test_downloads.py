"""A video as a file, from upload to disk: who may have it, by program and in a browser."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from playwright.sync_api import Page

from shared.programs.finding import find_ffprobe
from tests.e2e.browsing import log_in
from tests.e2e.people import SMALL, Person, sign_up, until
from tests.support.stack import RunningStack


@pytest.fixture(scope="module")
def owned(cinelog: RunningStack) -> Iterator[tuple[Person, str]]:
    """Somebody and their video, whose files are there."""
    with sign_up(cinelog.url) as person:
        video_id = person.upload(SMALL, "Ännchen's ride")
        assert person.finish(video_id)["status"] == "completed"
        until(lambda: (person.get(f"/api/v1/streaming/id/{video_id}") or {}).get("files"))
        yield person, video_id


def test_a_file_is_whole_and_in_parts(
    cinelog: RunningStack, owned: tuple[Person, str], tmp_path: Path
) -> None:
    person, video_id = owned
    path = f"/api/v1/videos/{video_id}/download"
    whole = person.client.get(path)
    assert whole.status_code == 200
    video = person.get(f"/api/v1/streaming/id/{video_id}") or {}
    assert len(whole.content) == video["files"][0]["size"]
    assert "filename*=UTF-8''%C3%84nnchen" in whole.headers["content-disposition"]

    length = int(person.client.head(path).headers["content-length"])
    assert length == len(whole.content)
    parts, step = b"", length // 3 + 1
    for at in range(0, length, step):
        wanted = {"range": f"bytes={at}-{at + step - 1}", "if-range": whole.headers["etag"]}
        part = person.client.get(path, headers=wanted)
        assert part.status_code == 206
        parts += part.content
    assert parts == whole.content

    file = tmp_path / "a.mp4"
    file.write_bytes(whole.content)
    command = [find_ffprobe(None), "-v", "error", "-show_format", "-show_streams", "-of", "json"]
    found = json.loads(subprocess.run([*command, file], check=True, capture_output=True).stdout)
    assert float(found["format"]["duration"]) * 1000 == pytest.approx(video["duration_ms"], abs=100)

    with httpx.Client(base_url=cinelog.url, trust_env=False, timeout=60) as stranger:
        refused = stranger.get(path)
        assert refused.json()["error"]["type"] == "downloads_not_allowed"


def test_the_owner_offers_it_and_a_browser_saves_it(
    cinelog: RunningStack, owned: tuple[Person, str], page: Page
) -> None:
    person, video_id = owned
    log_in(page, person.name)
    page.goto(f"/watch/{video_id}")
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="MP4").first.click()
    assert saved.value.suggested_filename.startswith("Ännchen's ride (")
    size = Path(saved.value.path()).stat().st_size
    video = person.get(f"/api/v1/streaming/id/{video_id}") or {}
    assert size == video["files"][0]["size"]

    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("checkbox", name="may download it").check()
    page.get_by_role("button", name="Save").click()
    with httpx.Client(base_url=cinelog.url, trust_env=False, timeout=60) as stranger:
        path = f"/api/v1/videos/{video_id}/download"
        until(lambda: stranger.head(path).status_code == 200)
        length = stranger.head(path).headers["content-length"]
        feed = f"/u/{person.name}/feed.rss"
        until(lambda: f"{video_id}/download" in stranger.get(feed).text)
        enclosure = ElementTree.fromstring(stranger.get(feed).text).find("channel/item/enclosure")
        assert enclosure is not None
        assert (enclosure.get("type"), enclosure.get("length")) == ("video/mp4", length)
        address = httpx.URL(enclosure.get("url") or "")
        assert stranger.get(address.raw_path.decode()).headers["content-length"] == length
