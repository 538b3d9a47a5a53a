"""A person goes live with ffmpeg: others watch within seconds, and the session becomes a video."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.programs.finding import find_ffmpeg
from tests.e2e.people import Person, until
from tests.support.flv_files import flv
from tests.support.stack import RunningStack

RATE, SECONDS = 25, 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute, encoded once: publishing it costs nothing."""
    target = tmp_path_factory.mktemp("live") / "clip.flv"
    flv(target, seconds=SECONDS, rate=RATE, gop=RATE, size="320x180")
    return target


@contextmanager
def publishing(clip: Path, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg sends the clip in real time."""
    process = subprocess.Popen(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "error", "-re", "-i", str(clip)),
            *("-c", "copy", "-f", "flv", address),
        ],
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def new_stream(person: Person) -> dict[str, Any]:
    answer = person.client.post("/api/v1/live/streams", json={"title": "From the roof"})
    assert answer.status_code == 201, answer.text
    stream: dict[str, Any] = answer.json()["data"]
    return stream


def running_video(person: Person, stream: str) -> str:
    """Wait until the stream has a session with something to play; its video."""

    def running() -> str | None:
        found = person.get(f"/api/v1/live/streams/{stream}") or {}
        video = found.get("video_id")
        return video if found.get("status") == "active" and video else None

    return until(running)


def playlist(person: Person, video: str, name: str = "index.m3u8") -> str:
    """A playlist of a running live, as anybody gets it; "" while there is none."""
    try:
        answer = person.client.get(f"/media/public/{video}/live/{name}")
    except httpx.TransportError:
        return ""
    return answer.text if answer.is_success else ""


def frames(url: str) -> int:
    """Frames that ffmpeg decodes of a playlist's first picture."""
    found = subprocess.run(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "error", "-i", url, "-map", "0:v:0"),
            *("-fps_mode", "passthrough", "-f", "framecrc", "-"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return sum(line[0] != "#" for line in found.stdout.splitlines())


def test_a_live_is_watched_and_becomes_a_video(
    cinelog: RunningStack, person: Person, clip: Path
) -> None:
    stream = new_stream(person)
    with publishing(clip, f"{stream['rtmp_url']}/{stream['stream_key']}"):
        video = running_video(person, stream["id"])
        master = until(lambda: playlist(person, video))
        assert "RESOLUTION=320x180" in master
        top = until(lambda: playlist(person, video, "top.m3u8"))
        assert "#EXT-X-PART:" in top
        hint = next(line for line in top.splitlines() if "PRELOAD-HINT" in line).split('"')[1]
        part = person.client.get(f"/media/public/{video}/live/{hint}")
        assert part.is_success
        assert part.content[4:8] == b"moof"
        until(lambda: playlist(person, video, "top.m3u8").count("#EXTINF") > 3)
        shown = person.get(f"/api/v1/streaming/id/{video}") or {}
        assert shown["status"] == "live"
        answer = person.client.post(f"/api/v1/live/streams/{stream['id']}/complete")
        assert answer.is_success, answer.text
    ready = until(lambda: _ready(person, video))
    url = str(httpx.URL(cinelog.url).join(ready["video"]))
    assert frames(url) >= 3 * RATE
    assert "ENDLIST" in person.client.get(ready["video"].replace("vod", "vod-top")).text


def _ready(person: Person, video: str) -> dict[str, Any] | None:
    found = person.get(f"/api/v1/streaming/id/{video}") or {}
    return found if found.get("status") not in (None, "live") and found.get("video") else None


def test_a_wrong_key_is_refused_in_words(person: Person, clip: Path) -> None:
    stream = new_stream(person)
    with publishing(clip, f"{stream['rtmp_url']}/not-a-key") as process:
        _, said = process.communicate(timeout=60)
        assert process.returncode != 0
        assert b"Server error" in said


def test_the_death_of_live_does_not_end_a_live(
    cinelog: RunningStack, person: Person, clip: Path
) -> None:
    stream = new_stream(person)
    address = f"{stream['rtmp_url']}/{stream['stream_key']}"
    with publishing(clip, address):
        video = running_video(person, stream["id"])
        until(lambda: playlist(person, video, "top.m3u8").count("#EXTINF") > 2)
        killed = cinelog.kill("live")
    until(lambda: cinelog.is_back("live", killed))

    def goes_on() -> str | None:
        with publishing(clip, address) as process:

            def later() -> str | None:
                text = playlist(person, video, "top.m3u8")
                ended = process.poll() is not None
                return "ended" if ended else text if "#EXT-X-DISCONTINUITY\n" in text else None

            found = until(later)
            if found == "ended":
                return None
            until(lambda: playlist(person, video, "top.m3u8").count("#EXTINF") > 5)
            return found

    text = until(goes_on)
    assert "2/top/" in text
    assert running_or_gone(person, stream["id"]) == video
    person.client.post(f"/api/v1/live/streams/{stream['id']}/complete")
    ready = until(lambda: _ready(person, video))
    assert frames(str(httpx.URL(cinelog.url).join(ready["video"]))) >= 3 * RATE


def running_or_gone(person: Person, stream: str) -> str | None:
    """The video of the stream's session, whether its publisher is there or not."""
    found = person.get(f"/api/v1/live/streams/{stream}") or {}
    return found.get("video_id")
