"""A running live in players: DASH in dash.js, whole segments in hls.js."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.e2e.people import Person, until
from tests.e2e.test_live_takeover import publishing
from tests.integration.transcoder.screen import PAGE, SCRIPTS
from tests.support.flv_files import flv
from tests.support.stack import RunningStack

SECONDS = 90


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("live") / "clip.flv"
    flv(target, seconds=SECONDS, rate=25, gop=25, size="320x180")
    return target


@pytest.fixture
def players(page: Page) -> Page:
    """A page of the same origin with hls.js and dash.js on it."""

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name in SCRIPTS:
            route.fulfill(body=SCRIPTS[name].read_bytes(), content_type="text/javascript")
        else:
            body = PAGE.replace(b'src="/', b'src="/players/')
            route.fulfill(body=body, content_type="text/html")

    page.route("**/players/*", answer)
    page.goto("/players/page")
    return page


def live(person: Person, address: str, *, latency: str = "low") -> tuple[str, str]:
    """A live stream's id and where to publish."""
    answer = person.client.post(
        "/api/v1/live/streams", json={"title": "From the roof", "latency": latency}
    )
    assert answer.status_code == 201, answer.text
    stream: dict[str, Any] = answer.json()["data"]
    return stream["id"], f"{stream['rtmp_url']}/{stream['stream_key']}"


def running(person: Person, stream: str) -> dict[str, Any]:
    """The video of a stream's running session, once it can be played."""

    def shown() -> Any:
        found = person.get(f"/api/v1/live/streams/{stream}") or {}
        video = person.get(f"/api/v1/streaming/id/{found.get('video_id')}")
        return video if video and video["playable"] and video["status"] == "live" else None

    return until(shown)


def plays_on(page: Page, seconds: float) -> float:
    """Wait until so much more was played; where that is."""
    begun = page.evaluate("report()")["time"]

    def further() -> Any:
        seen = page.evaluate("report()")
        assert seen["fatal"] == [], seen
        return seen["time"] if seen["time"] > begun + seconds else None

    return until(further)


def ends(page: Page) -> None:
    """Wait until all of it was played."""
    seen: dict[str, Any] = {}

    def at_end() -> bool:
        seen.update(page.evaluate("report()"))
        assert seen["fatal"] == [], seen
        return seen["ended"]

    try:
        until(at_end)
    except AssertionError as error:
        error.add_note(str(seen))
        raise


def test_dash_goes_on_with_another_publisher_and_ends(
    cinelog: RunningStack, person: Person, players: Page, clip: Path
) -> None:
    stream, address = live(person, cinelog.url)
    with publishing(clip, address):
        video = running(person, stream)
        assert video["dash"].endswith("/live/live.mpd")
        players.evaluate("url => { playDash(url, true) }", video["dash"])
        plays_on(players, 6)
    until(lambda: (person.get(f"/api/v1/live/streams/{stream}") or {})["status"] != "active")
    with publishing(clip, address):
        until(lambda: person.client.get(video["dash"]).text.count("<Period ") == 2)
        plays_on(players, 15)
        assert person.client.post(f"/api/v1/live/streams/{stream}/complete").is_success
    ends(players)


def test_standard_latency_is_whole_segments_for_fewer_requests(
    cinelog: RunningStack, person: Person, players: Page, clip: Path
) -> None:
    stream, address = live(person, cinelog.url, latency="standard")
    asked: list[str] = []
    players.on("request", lambda request: asked.append(request.url))
    with publishing(clip, address):
        video = running(person, stream)
        assert video["live"]["latency"] == "standard"
        players.evaluate("url => { play(url, { lowLatencyMode: true }) }", video["video"])
        plays_on(players, 2)
        asked.clear()
        played = plays_on(players, 12)
        top = person.client.get(video["video"].replace("index", "top")).text
        assert person.client.post(f"/api/v1/live/streams/{stream}/complete").is_success
    assert played > 12
    assert "PART" not in top
    assert "HOLD-BACK=12.0" in top
    # Of each of two tracks, a playlist and a segment for every two seconds.
    assert [url for url in asked if re.search(r"/\d+\.\d+\.m4s", url)] == []
    assert len(asked) < 40
