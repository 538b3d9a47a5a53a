"""What `helm test` tells: somebody signs up, uploads a clip, waits, plays it and leaves again.

Runs in the transcoder's image, which has ffmpeg, against the gateway alone; standard library only.
"""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from shared.programs.finding import find_ffmpeg

GATEWAY = os.environ["GATEWAY"]
PATIENCE = float(os.environ.get("PATIENCE", "300"))
CLIP = Path("/tmp/clip.mp4")  # noqa: S108 - a volume of the pod's own
FORM = "cinelog-story"


def main() -> None:
    ffmpeg = find_ffmpeg(None)
    make_clip(ffmpeg)
    name = f"helm-test-{secrets.token_hex(4)}"
    person = {
        "username": name,
        "email": f"{name}@example.com",
        "password": secrets.token_urlsafe(24),
    }
    registered = call("POST", "/api/v1/auth/register", body=person)
    token = registered["access_token"]
    try:
        job = upload(token)
        say(f"uploaded, job {job}")
        video = until_completed(token, job)
        play(ffmpeg, video)
    finally:
        mine = call("GET", "/api/v1/users/me", token=token)
        call("DELETE", f"/api/v1/users/{mine['id']}", token=token)
        say("the account and its video are gone")


def make_clip(ffmpeg: str) -> None:
    """Six seconds of a test picture with sound."""
    run(
        *(ffmpeg, "-v", "error", "-y"),
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=24"),
        *("-f", "lavfi", "-i", "sine=frequency=440"),
        *("-t", "6", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-movflags", "+faststart", str(CLIP)),
    )


def upload(token: str) -> str:
    clip = CLIP.read_bytes()
    fields = {"title": "A clip of helm test", "description": "Made, played and deleted."}
    body = b"".join(
        f'--{FORM}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    )
    body += (
        f'--{FORM}\r\ncontent-disposition: form-data; name="video"; filename="clip.mp4"\r\n'
        "content-type: video/mp4\r\n\r\n"
    ).encode()
    body += clip + f"\r\n--{FORM}--\r\n".encode()
    kind = f"multipart/form-data; boundary={FORM}"
    answer = call("POST", "/api/v1/streaming/upload", token=token, raw=body, kind=kind)
    return str(answer["job_id"])


def until_completed(token: str, job: str) -> dict[str, Any]:
    """Wait until it is transcoded; workers may have to be started for it first."""
    deadline = time.monotonic() + PATIENCE
    said = ""
    while time.monotonic() < deadline:
        state = call("GET", f"/api/v1/jobs/{job}", token=token)
        line = f"{state['status']}, {state['progress']} %"
        if line != said:
            say(line)
            said = line
        if state["status"] == "failed":
            sys.exit(f"the video could not be processed: {state['error_message']}")
        if state["status"] == "completed":
            return call("GET", f"/api/v1/streaming/id/{job}", token=token)
        time.sleep(1)
    sys.exit(f"the video was not ready after {PATIENCE:.0f} s")


def play(ffmpeg: str, video: dict[str, Any]) -> None:
    """Decode all of it through the gateway, as a player does."""
    path = "/media/" + video["video"].split("/media/", 1)[1]
    said = run(
        *(ffmpeg, "-v", "error", "-nostats", "-progress", "pipe:1"),
        *("-i", GATEWAY + path, "-map", "0:v:0", "-f", "null", "-"),
    )
    frames = [int(line[6:]) for line in said.splitlines() if line.startswith("frame=")][-1]
    if frames < 100:
        sys.exit(f"only {frames} frames were played")
    say(f"played, {frames} frames")


def call(
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: dict[str, Any] | None = None,
    raw: bytes | None = None,
    kind: str = "application/json",
) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else raw
    request = urllib.request.Request(GATEWAY + path, data, method=method)  # noqa: S310 - ours
    if data is not None:
        request.add_header("content-type", kind)
    if token:
        request.add_header("authorization", f"Bearer {token}")
    for attempt in range(5):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - ours
                content = answer.read()
                return json.loads(content)["data"] if content else {}
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            if error.code not in (429, 503) or attempt == 4:
                sys.exit(f"{method} {path} answered {error.code}: {said}")
            time.sleep(min(float(error.headers.get("retry-after", "1")), 30))
    raise AssertionError("not reached")


def run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{command[0]} failed: {ended.stderr.strip()}")
    return ended.stdout


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
