"""What happens to pods and nodes by itself."""

import tempfile
import time
from pathlib import Path

from tests.chaos.clips import Clips
from tests.chaos.uploads import Traffic
from tests.cluster.release import NAME, Failed, Release, run, until
from tests.cluster.visits import upload_and_play
from tests.e2e.people import BUNNY, sign_up
from tests.integration.transcoder.clips import make

_PEOPLE = 3
# The least that the chart takes: what a worker needs, and 512 MiB for ffmpeg.
_SMALL_MEMORY = "896Mi"


def kill_pods(release: Release) -> str:
    """Every pod is deleted, one after the other, while people upload and a film is encoded."""
    struck = 0
    with tempfile.TemporaryDirectory() as folder, sign_up(release.url()) as person:
        clips = Clips(Path(folder))
        traffic = Traffic(release.url(), clips.with_sound, 1, people=_PEOPLE)
        components = sorted(
            {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in release.pods()}
        )
        film = person.upload(BUNNY)
        with traffic.running(_PEOPLE * len(components) + _PEOPLE):
            for number, component in enumerate(components, 1):
                traffic.allow(_PEOPLE * number)
                for pod in release.pods(component):
                    release.kubectl("delete", f"pod/{pod['metadata']['name']}", "--wait=true")
                    struck += 1
                release.wait_ready()
            traffic.allow(_PEOPLE * len(components) + _PEOPLE)
        if traffic.problems:
            raise Failed("; ".join(traffic.problems))
        if person.finish(film)["status"] != "completed":
            raise Failed(f"the film was lost: {person.job(film)}")
        _all_ready(release.url(), [each.video_id for each in traffic.acknowledged])
    return f"{struck} pods deleted, {len(traffic.acknowledged)} uploads and a film completed"


def drain(release: Release) -> str:
    """The gateway's node is emptied, and comes back."""
    node = release.pods("gateway")[0]["spec"]["nodeName"]
    with sign_up(release.url()) as person:
        film = person.upload(BUNNY)
        began = time.monotonic()
        try:
            chosen = f"--pod-selector=app.kubernetes.io/instance={NAME}"
            run("kubectl", "drain", node, "--delete-emptydir-data", "--ignore-daemonsets", chosen)
            drained = time.monotonic() - began
        finally:
            run("kubectl", "uncordon", node)
        release.wait_ready()
        back = time.monotonic() - began - drained
        if person.finish(film)["status"] != "completed":
            raise Failed(f"the film was lost: {person.job(film)}")
    return f"drained in {drained:.0f} s, ready {back:.0f} s later, the film completed"


def memory(release: Release) -> str:
    """A worker whose ffmpeg needs more memory than the pod has: the job fails, the pod goes on."""
    limit = f"components.worker.resources.limits.memory={_SMALL_MEMORY}"
    release.upgrade(
        "--set", limit, "--set", f"components.worker.resources.requests.memory={_SMALL_MEMORY}"
    )
    with tempfile.TemporaryDirectory() as folder, sign_up(release.url()) as person:
        large = make(
            Path(folder) / "large.mp4",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-an",
            seconds=2,
            size="3840x2160",
            rate="10",
        )
        job = person.finish(person.upload(large))
        if job["status"] != "failed":
            raise Failed(f"{_SMALL_MEMORY} was enough for 2160p")
        upload_and_play(release)
        if again := release.restarts("worker"):
            raise Failed(f"the worker was started {again} times again")
    release.upgrade()
    return f"with {_SMALL_MEMORY}: “{job['error_message']}”; the pod goes on"


def _all_ready(url: str, videos: list[str]) -> None:
    """Jobs are private: what anybody sees of a video says whether its job completed."""
    with sign_up(url) as person:

        def ready() -> bool:
            seen = [person.get(f"/api/v1/streaming/id/{video}") or {} for video in videos]
            return all(shown.get("status") == "ready" for shown in seen)

        until(ready, "an upload has not completed")
