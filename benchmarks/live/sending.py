"""Publishers: ffmpeg with a clock in its picture, ffmpeg with a film, a browser's camera."""

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from benchmarks.live.clock import CANVAS, HEIGHT, WIDTH, ffmpeg_filter
from deploy.local.demo import real_clip
from shared.programs.finding import find_ffmpeg
from tests.e2e.browsing import fresh_page, join

RATE: Final = 25
KEY_SECONDS: Final = 2
"""Between two key pictures, as the studio asks for."""
_FILM_SECONDS: Final = 20
_FILM_RATE: Final = 30
_RETRY_SECONDS: Final = 0.1

# Instead of a camera: a canvas with the clock, and a tone.
_CAMERA: Final = f"""
{CANVAS}
navigator.mediaDevices.getUserMedia = async () => {{
  const canvas = document.createElement('canvas');
  canvas.width = {WIDTH};
  canvas.height = {HEIGHT};
  const context = canvas.getContext('2d');
  let count = 0;
  setInterval(() => {{
    context.fillStyle = `hsl(${{count * 3 % 360}}, 60%, 50%)`;
    context.fillRect(0, 0, {WIDTH}, {HEIGHT});
    context.fillStyle = '#ddd';
    context.fillRect(count * 8 % {WIDTH}, 200, 80, 300);
    drawClock(context);
    count++;
  }}, 1000 / {RATE});
  const audio = new AudioContext(), tone = audio.createOscillator();
  const sound = audio.createMediaStreamDestination();
  tone.connect(sound);
  tone.start();
  return new MediaStream([
    ...canvas.captureStream({RATE}).getVideoTracks(), ...sound.stream.getAudioTracks(),
  ]);
}};
"""


def clock_command(address: str, key_seconds: int = KEY_SECONDS) -> list[str]:
    """ffmpeg that sends a moving picture with a clock, and a tone, until it is ended."""
    interval = str(RATE * key_seconds)
    return [
        *(find_ffmpeg(None), "-nostdin", "-v", "error"),
        *("-re", "-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}"),
        *("-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"),
        *("-vf", f"{ffmpeg_filter(RATE)},format=yuv420p"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"),
        *("-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k"),
        *("-g", interval, "-keyint_min", interval, "-sc_threshold", "0"),
        *("-c:a", "aac", "-ac", "2", "-b:a", "128k", "-f", "flv", address),
    ]


def film_command(film: Path, address: str) -> list[str]:
    """ffmpeg that sends a film again and again, which costs it nothing."""
    return [
        *(find_ffmpeg(None), "-nostdin", "-v", "error", "-re", "-stream_loop", "-1"),
        *("-i", str(film), "-c", "copy", "-f", "flv", address),
    ]


def film(folder: Path) -> Path:
    """Big Buck Bunny as a 1080p30 live at 6 Mbit/s, with sound and a key picture every 2 s."""
    target = folder / "film.flv"
    interval = str(_FILM_RATE * KEY_SECONDS)
    command = [
        *(find_ffmpeg(None), "-nostdin", "-v", "error", "-stream_loop", "-1"),
        *("-i", str(real_clip("bigbuckbunny.mp4"))),
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"),
        *("-t", str(_FILM_SECONDS), "-map", "0:v:0", "-map", "1:a:0"),
        *("-vf", f"scale=1920:1080,fps={_FILM_RATE},format=yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-maxrate", "6M"),
        *("-bufsize", "6M", "-g", interval, "-keyint_min", interval, "-sc_threshold", "0"),
        *("-bf", "2", "-c:a", "aac", "-ac", "2", "-b:a", "128k", "-f", "flv", str(target)),
    ]
    subprocess.run(command, check=True)
    return target


@contextmanager
def publishing(command: Sequence[str], *, again: bool = False) -> Iterator[None]:
    """A publisher. ``again``: it reconnects at once, whenever its connection ends."""
    over = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def publish() -> None:
        while not over.is_set():
            running[:] = [subprocess.Popen(command, stderr=subprocess.DEVNULL)]
            running[0].wait()
            if not again:
                return
            over.wait(_RETRY_SECONDS)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # One may just be starting.
        while thread.is_alive():
            for process in running:
                process.kill()
            thread.join(_RETRY_SECONDS)


@contextmanager
def camera(browser: Browser, url: str) -> Iterator[str]:
    """Somebody goes live in a browser, with a clock for a camera; the video's id."""
    with fresh_page(browser, url) as page:
        page.add_init_script(_CAMERA)
        join(page, "camera")
        yield _go_live(page)


def _go_live(page: Page) -> str:
    page.goto("/live/now")
    page.get_by_role("button", name="Use camera").click()
    page.get_by_label("Title").fill("From a canvas")
    page.get_by_role("main").get_by_role("button", name="Go live").click()
    expect(page.get_by_text("You are live")).to_be_visible()
    address = page.get_by_label("Link for viewers", exact=True).input_value()
    found = re.search(r"[0-9a-f-]{36}", address)
    assert found, address
    return found[0]
