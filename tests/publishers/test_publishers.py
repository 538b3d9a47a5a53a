"""Real programs go live: each is watched while it sends, and is a video without a gap at the end.

``make test-live-publishers`` runs it; it fetches OBS and GStreamer.
"""

import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from deploy.local.environments import SRT
from tests.e2e.browsing import FAKE_CAMERA, fresh_page, join, running_browser
from tests.e2e.people import Person, sign_up, until
from tests.e2e.test_go_live import go_live
from tests.publishers import programs as commands
from tests.publishers.debian_programs import DebianPrograms
from tests.publishers.obs import obs
from tests.publishers.recordings import decoded, gaps, periods
from tests.support.stack import RunningStack

SECONDS = 18
"""What each publishes at least."""
# A program that has no processor time leaves pictures out; sound it sends whole.
PICTURE_GAP, SOUND_GAP = 1.0, 0.1
# By WebRTC the sound begins when the sender has told how its clock belongs to the picture's.
LATE_SOUND = 5.0
# A browser's picture changes its size while it learns what it can send. Sound that is later than
# its picture is left out then.
RESIZED_GAP = 2.5


@pytest.fixture
def person(receiver: RunningStack) -> Iterator[Person]:
    with sign_up(receiver.url) as person:
        yield person


class Live:
    """A live stream, and what viewers have of it."""

    def __init__(self, person: Person, url: str) -> None:
        self._person = person
        self._url = url
        answer = person.client.post("/api/v1/live/streams", json={"title": "A publisher"})
        assert answer.status_code == 201, answer.text
        stream: dict[str, Any] = answer.json()["data"]
        self.server, self.key, self._id = stream["rtmp_url"], stream["stream_key"], stream["id"]
        self.srt = {"streamid": stream["srt_stream_id"], "passphrase": stream["srt_passphrase"]}

    def is_watched(self, publisher: "subprocess.Popen[bytes]") -> str:
        """Plays while it is sent, for as long as that has to take; the video."""

        def still() -> bool:
            assert publisher.poll() is None, said_by(publisher)
            return True

        def sent() -> Any:
            assert still()
            found = self._person.get(f"/api/v1/live/streams/{self._id}") or {}
            return found.get("video_id")

        return watch(self._person, self._url, until(sent), still)

    def end(self) -> None:
        """What a person does who presses the button of the studio."""
        answer = self._person.client.post(f"/api/v1/live/streams/{self._id}/complete")
        assert answer.is_success, answer.text


def said_by(process: "subprocess.Popen[bytes]") -> str:
    """What a program that has ended complained of."""
    return process.stderr.read().decode(errors="replace") if process.stderr else ""


def watch(person: Person, url: str, video: str, still: Callable[[], bool]) -> str:
    """Play the live in low latency and, as others do, from whole segments."""
    playlist = f"/media/public/{video}/live/top.m3u8"

    def recorded() -> bool:
        assert still()
        return segment_seconds(person.client.get(playlist).text) >= SECONDS

    until(recorded)
    text = person.client.get(playlist).text
    assert "#EXT-X-PART:" in text
    assert "#EXT-X-GAP" not in text
    master = f"{url}/media/public/{video}/live/index.m3u8"
    # ffmpeg calls incomplete what it was just reading when it had enough.
    assert len(decoded(master, "v", "-frames:v", "50", complete=False)) == 50
    assert still()
    return video


def segment_seconds(playlist: str) -> float:
    """The seconds of a playlist's segments."""
    lines = [line for line in playlist.splitlines() if line.startswith("#EXTINF:")]
    return sum(float(line.removeprefix("#EXTINF:").rstrip(",")) for line in lines)


def is_whole(person: Person, url: str, video: str, sound_gap: float = SOUND_GAP) -> None:
    """The finished video has all pictures and all sound, from beginning to end."""

    def ready() -> Any:
        found = person.get(f"/api/v1/streaming/id/{video}") or {}
        return found if found.get("status") == "ready" and found.get("video") else None

    master = httpx.URL(url).join(until(ready)["video"])
    for kind, most in (("v", PICTURE_GAP), ("a", sound_gap)):
        playlist = master.join("vod-top.m3u8" if kind == "v" else "vod-a.m3u8")
        found = list(periods(person.client, playlist))
        assert sum(period.seconds for period in found) > SECONDS - LATE_SOUND, kind
        with tempfile.TemporaryDirectory(prefix="cinelog-recording-") as folder:
            assert gaps(found, kind, Path(folder), most) == [], kind


@contextmanager
def running(
    command: list[str], environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        with process.stderr:
            yield process
    finally:
        process.kill()
        process.wait()


def stop(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """As a person stops it: it says good-bye."""
    process.send_signal(number)
    process.wait(120)


def srt_url(stack: RunningStack, live: Live) -> str:
    return f"srt://127.0.0.1:{stack.stack.ports[SRT]}?{urlencode(live.srt)}"


@pytest.fixture
def live(person: Person, receiver: RunningStack) -> Live:
    return Live(person, receiver.url)


def publishes(
    command: list[str], live: Live, person: Person, url: str, environment: dict[str, str] | None
) -> None:
    """Publish with a program until it is stopped, and look at all that came of it."""
    with running(command, environment) as process:
        video = live.is_watched(process)
        stop(process, signal.SIGINT)
    live.end()
    is_whole(person, url, video)


@pytest.mark.parametrize("kind", ["rtmp", "srt"])
def test_debians_ffmpeg(
    receiver: RunningStack, person: Person, live: Live, programs: DebianPrograms, kind: str
) -> None:
    rtmp = ("-f", "flv", f"{live.server}/{live.key}")
    srt = ("-f", "mpegts", srt_url(receiver, live))
    command = programs.command(*commands.ffmpeg("ffmpeg", *(rtmp if kind == "rtmp" else srt)))
    publishes(command, live, person, receiver.url, programs.environment())


@pytest.mark.parametrize("kind", ["rtmp", "hevc", "srt", "whip"])
def test_pypis_ffmpeg(receiver: RunningStack, person: Person, live: Live, kind: str) -> None:
    address = ("-f", "flv", f"{live.server}/{live.key}")
    program = commands.own_ffmpeg()
    command = {
        "rtmp": commands.ffmpeg(program, *address),
        "hevc": commands.ffmpeg_hevc(program, *address),
        "srt": commands.ffmpeg(program, "-f", "mpegts", srt_url(receiver, live)),
        "whip": commands.ffmpeg_whip(program, f"{receiver.url}/api/v1/live/whip", live.key),
    }[kind]
    publishes(command, live, person, receiver.url, None)


@pytest.mark.parametrize("kind", ["rtmp2sink", "rtmpsink", "srtsink"])
def test_gstreamer(
    receiver: RunningStack, person: Person, live: Live, programs: DebianPrograms, kind: str
) -> None:
    if kind == "srtsink":
        uri = f"uri=srt://127.0.0.1:{receiver.stack.ports[SRT]}?mode=caller"
        login = [f"{name}={value}" for name, value in live.srt.items()]
        command = commands.gstreamer(
            "srtsink", uri, *login, "latency=2000", mux="mpegtsmux alignment=7"
        )
    else:
        location = f"location={live.server}/{live.key}"
        command = commands.gstreamer(kind, location, mux="flvmux streamable=true")
    publishes(programs.command(*command), live, person, receiver.url, programs.environment())


def test_obs(receiver: RunningStack, person: Person, live: Live, programs: DebianPrograms) -> None:
    with obs(programs, live.server, live.key) as process:
        video = live.is_watched(process)
        live.end()
    is_whole(person, receiver.url, video)


def test_chromium(receiver: RunningStack, person: Person) -> None:
    with (
        running_browser(*FAKE_CAMERA) as browser,
        fresh_page(browser, receiver.url) as page,
    ):
        join(page, person.name[:8] + "-camera")
        video = go_live(page).rpartition("/")[2]
        on_air = page.get_by_text("You are live")
        watch(person, receiver.url, video, on_air.is_visible)
        page.get_by_role("button", name="End the live").click()
        page.get_by_role("dialog").get_by_role("button", name="End").click()
        page.get_by_text("The live has ended.").wait_for()
    is_whole(person, receiver.url, video, RESIZED_GAP)
