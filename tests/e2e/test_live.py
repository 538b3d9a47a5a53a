"""A live stream through the whole product: published by ffmpeg, killed, and a video at last."""

import re
from typing import Any

import httpx

from deploy.local.environments import rtmp_url
from tests.e2e.people import Person, until
from tests.support.publishing import publishing
from tests.support.stack import RunningStack


def set_up(person: Person) -> tuple[str, str]:
    """A live stream's id and key."""
    answer = person.client.post(
        "/api/v1/live/streams", json={"title": "A race", "reconnect_seconds": 60}
    )
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    return data["id"], data["stream_key"]


def video_of(person: Person, live_id: str) -> str:
    """The running session's video."""

    def running() -> Any:
        return (person.get(f"/api/v1/live/streams/{live_id}") or {}).get("video_id")

    return until(running)


def playable(person: Person, video_id: str) -> dict[str, Any]:
    def shown() -> Any:
        video = person.get(f"/api/v1/streaming/id/{video_id}")
        return video if video and video["playable"] else None

    return until(shown)


def ready(person: Person, video_id: str) -> dict[str, Any]:
    def shown() -> Any:
        video = person.get(f"/api/v1/streaming/id/{video_id}")
        return video if video and video["status"] == "ready" else None

    return until(shown)


def segments(person: Person, playlist: str) -> list[httpx.URL]:
    """The segments of the first rendition of a multivariant playlist."""
    uri = httpx.URL(playlist)
    text = person.client.get(uri).text
    media = uri.join(next(line for line in text.splitlines() if line and line[0] != "#"))
    lines = person.client.get(media).text.splitlines()
    return [media.join(line) for line in lines if line and line[0] != "#"]


def test_a_live_stream_is_a_video_the_moment_it_ends(cinelog: RunningStack, person: Person) -> None:
    live_id, key = set_up(person)
    address = f"{rtmp_url(cinelog.stack.ports)}/{key}"
    with publishing(address, 120) as ffmpeg:
        video_id = video_of(person, live_id)
        video = playable(person, video_id)
        assert ffmpeg.poll() is None
        assert video["status"] == "live"
        assert video["live"]["connected"]
        assert (person.get(f"/api/v1/live/streams/{live_id}") or {})["status"] == "active"
        answer = person.client.post(f"/api/v1/live/streams/{live_id}/complete")
        assert answer.is_success
    video = ready(person, video_id)
    assert video["id"] == video_id
    assert video["live"] is None
    assert video["duration_ms"] > 1000
    found = segments(person, video["video"])
    assert found
    assert all(person.client.get(uri).is_success for uri in found)
    assert person.client.get(video["dash"]).is_success
    assert (person.get(f"/api/v1/live/streams/{live_id}") or {})["status"] == "idle"
    timeline = person.get(f"/api/v1/videos/{video_id}/timeline") or {}
    types = [step["type"] for step in timeline["steps"]]
    assert types[0] == "LiveConnected"
    assert "LiveRecorded" in types
    _is_clipped(person, live_id, video_id)
    _has_targets(person, live_id)


def _is_clipped(person: Person, live_id: str, video_id: str) -> None:
    """A clip is a video of its own, and stays when the live is deleted."""
    answer = person.client.post(f"/api/v1/live/videos/{video_id}/clips", json={"seconds": 5})
    assert answer.status_code == 201, answer.text
    clip = ready(person, answer.json()["data"]["video_id"])
    assert clip["thumbnail"]
    found = segments(person, clip["video"])
    assert found
    assert person.client.delete(f"/api/v1/streaming/{video_id}").is_success
    assert all(person.client.get(uri).is_success for uri in found)
    (listed,) = person.get(f"/api/v1/live/streams/{live_id}/clips") or []
    assert (listed["video_id"], listed["state"]) == (clip["id"], "ready")


def _has_targets(person: Person, live_id: str) -> None:
    path = f"/api/v1/live/streams/{live_id}/simulcast-targets"
    body = {"url": "rtmp://127.0.0.1/live", "stream_key": "secret"}
    assert person.client.post(path, json=body).status_code == 400
    answer = person.client.post(path, json=body | {"url": "rtmps://live.example.com/app"})
    assert answer.status_code == 201, answer.text
    (target,) = person.get(path) or []
    assert target["state"] == "idle"
    assert person.client.delete(f"{path}/{target['id']}").status_code == 204


def test_a_session_outlives_the_process_that_receives_it(
    cinelog: RunningStack, person: Person
) -> None:
    live_id, key = set_up(person)
    address = f"{rtmp_url(cinelog.stack.ports)}/{key}"
    with publishing(address, 300):
        video_id = video_of(person, live_id)
        playable(person, video_id)
        killed = cinelog.kill("live")
    until(lambda: cinelog.is_back("live", killed))
    until(lambda: _publishes(person, live_id, address, video_id))
    assert person.client.post(f"/api/v1/live/streams/{live_id}/complete").is_success
    video = ready(person, video_id)
    uri = httpx.URL(video["video"])
    text = person.client.get(uri).text
    media = uri.join(next(line for line in text.splitlines() if line and line[0] != "#"))
    assert "#EXT-X-DISCONTINUITY" in re.split(r"\n", person.client.get(media).text)
    found = segments(person, video["video"])
    assert all(person.client.get(each).is_success for each in found)


def _publishes(person: Person, live_id: str, address: str, video_id: str) -> bool:
    """Whether another publisher was let in, and its first segments are there."""
    with publishing(address, 25) as ffmpeg:

        def on_again() -> Any:
            if ffmpeg.poll() is not None:
                return "refused"
            steps = (person.get(f"/api/v1/videos/{video_id}/timeline") or {}).get("steps", [])
            return any(step["type"] == "LiveReconnected" for step in steps)

        if until(on_again) == "refused":
            return False
        ffmpeg.wait()
        return video_of(person, live_id) == video_id
