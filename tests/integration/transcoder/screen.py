"""A browser with hls.js and dash.js on a video's objects, as a CDN would serve them."""

import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import ClientError
from playwright.async_api import Page, async_playwright

from tests.integration.transcoder.stage import ROOT, Studio

_MODULES = ROOT / "web" / "node_modules"
SCRIPTS = {
    "hls.js": _MODULES / "hls.js" / "dist" / "hls.js",
    "dash.js": _MODULES / "dashjs" / "dist" / "modern" / "umd" / "dash.all.min.js",
}

PAGE = b"""<!doctype html><title>player</title><video id="v" muted playsinline></video>
<script src="/hls.js"></script><script src="/dash.js"></script><script>
const video = document.getElementById('v');
const seen = { levels: [], errors: [], fatal: [], waiting: 0, loads: 0, over: false };
video.addEventListener('waiting', () => seen.waiting++);
function play(url, config) {
  const hls = new Hls({ maxBufferLength: 8, ...config });
  window.hls = hls;
  hls.on(Hls.Events.FRAG_CHANGED, (_, d) => seen.levels.push(d.frag.level));
  hls.on(Hls.Events.MANIFEST_LOADED, () => seen.loads++);
  hls.on(Hls.Events.ERROR, (_, d) => (d.fatal ? seen.fatal : seen.errors)
    .push(d.details + ' ' + (d.error ? d.error.message : '')));
  hls.loadSource(url);
  hls.attachMedia(video);
  return video.play();
}
function playDash(url, live = false) {
  const player = dashjs.MediaPlayer().create();
  window.dash = player;
  player.updateSettings({ debug: { logLevel: 0 } });
  player.on('error', e => seen.fatal.push(JSON.stringify(e.error)));
  player.on('qualityChangeRendered', e => seen.levels.push(e.newRepresentation.id));
  // Where dash.js sees the end first, it goes back a little and pauses: the element never ends.
  player.on('playbackEnded', () => { seen.over = true; });
  // Of a live, dash.js must see the beginning of playing: it loads the manifest again from then on.
  player.initialize(video, url, live);
  return live ? null : video.play();
}
function showDash(index) {
  dash.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
  const known = dash.getRepresentationsByType('video').toSorted((a, b) => a.height - b.height);
  dash.setRepresentationForTypeById('video', known[index].id, true);
}
async function seek(time) {
  video.currentTime = time;
  for (let i = 0; i < 400 && (video.seeking || video.readyState < 3); i++)
    await new Promise(done => setTimeout(done, 50));
  return !video.seeking && video.readyState >= 2;
}
function report() {
  return { ...seen, time: video.currentTime, duration: video.duration,
    ended: video.ended || seen.over,
    frames: video.getVideoPlaybackQuality().totalVideoFrames, height: video.videoHeight,
    buffered: Array.from({ length: video.buffered.length },
      (_, i) => [video.buffered.start(i), video.buffered.end(i)]) };
}
</script>"""


class _Objects(BaseHTTPRequestHandler):
    studio: Studio
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.split("?")[0].lstrip("/")
        if path in ("", *SCRIPTS):
            body = SCRIPTS[path].read_bytes() if path else PAGE
            self._answer(200, body, "text/html" if not path else "text/javascript")
            return
        wanted = self.headers.get("range")
        try:
            body = self.studio.get(path)
        except ClientError:
            self._answer(404, b"", "text/plain")
            return
        kind = self.studio.head(path)["ContentType"]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
        if match and int(match[1]) >= len(body):
            self._answer(416, b"", kind, f"bytes */{len(body)}")
        elif match:
            first, last = int(match[1]), min(int(match[2] or len(body)), len(body) - 1)
            self._answer(206, body[first : last + 1], kind, f"bytes {first}-{last}/{len(body)}")
        else:
            self._answer(200, body, kind)

    def _answer(self, status: int, body: bytes, kind: str, part: str | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if part:
            self.send_header("content-range", part)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: the test reports what matters."""


@contextmanager
def serving(studio: Studio) -> Iterator[str]:
    """The address under which a video's objects can be had."""
    handler = type("Objects", (_Objects,), {"studio": studio})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def screen(studio: Studio) -> AsyncIterator[Page]:
    """A page on which ``play(url)`` and ``report()`` can be evaluated."""
    with serving(studio) as url:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
            )
            page = await browser.new_page()
            await page.goto(url)
            yield page
            await browser.close()
