"""What people do, through the gateway's Service."""

import time

from tests.cluster.release import Failed, Release, until
from tests.e2e.people import BIKES, SMALL, Person, sign_up
from tests.support.publishing import publishing

_LIVE_SECONDS = 600


def story(release: Release) -> str:
    """Somebody signs up, uploads, plays, deletes, and then it is gone."""
    with sign_up(release.url()) as person:
        began = time.monotonic()
        job = person.upload(BIKES)
        playable = until(lambda: _playable(person, job), "the upload does not play")
        after = time.monotonic() - began
        if not person.plays(job):
            raise Failed(f"{playable['video']} is empty")
        _complete(person, job)
        whole = time.monotonic() - began
        answer = person.client.delete(f"/api/v1/streaming/{job}")
        if not answer.is_success:
            raise Failed(f"the video cannot be deleted: {answer.text}")
        until(lambda: person.get(f"/api/v1/streaming/id/{job}") is None, "the video is still there")
    return f"played after {after:.1f} s, all renditions after {whole:.1f} s, deleted"


def live(release: Release) -> str:
    """Somebody goes live by RTMP; it plays meanwhile, and is a video afterwards."""
    with sign_up(release.url()) as person:
        body = {"title": "A race", "reconnect_seconds": 60}
        made = person.client.post("/api/v1/live/streams", json=body).json()["data"]
        path = f"/api/v1/live/streams/{made['id']}"
        began = time.monotonic()
        with publishing(f"{release.rtmp_url()}/{made['stream_key']}", _LIVE_SECONDS) as ffmpeg:
            video = until(lambda: (person.get(path) or {}).get("video_id"), "no live has begun")
            until(lambda: _playable(person, video), "the live does not play")
            after = time.monotonic() - began
            if ffmpeg.poll() is not None or not person.plays(video):
                raise Failed("the publisher was cut, or the live is empty")
            person.client.post(f"{path}/complete")
        until(lambda: _ready(person, video), "the live is no video")
        person.plays(video)
    return f"a live played {after:.1f} s after its publisher had begun, and is a video"


def upload_and_play(release: Release) -> None:
    """The short form of the story."""
    with sign_up(release.url()) as person:
        job = person.upload(SMALL)
        _complete(person, job)
        person.plays(job)


def _playable(person: Person, video: str) -> dict[str, object] | None:
    seen = person.get(f"/api/v1/streaming/id/{video}")
    return seen if seen and seen["playable"] else None


def _ready(person: Person, video: str) -> bool:
    return (person.get(f"/api/v1/streaming/id/{video}") or {}).get("status") == "ready"


def _complete(person: Person, job: str) -> None:
    def ended() -> str | None:
        state = person.job(job)
        return state["status"] if state.get("status") in ("completed", "failed") else None

    if until(ended, "the job has not ended") == "failed":
        raise Failed(f"the job failed: {person.job(job)['error_message']}")
