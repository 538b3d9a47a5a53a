"""``python -m benchmarks.faults [SECTION]…``: seconds until work goes on; see README.md."""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.clips import Clip
from tests.chaos.looking import rows
from tests.chaos.media_faults import STEPS
from tests.chaos.network_faults import mute
from tests.chaos.scene import Scene
from tests.chaos.storm import scene
from tests.chaos.uploads import Uploader
from tests.integration.transcoder.clips import make
from tests.support.ending import end_on_signals

ROUNDS: Final = 3
_PATIENCE: Final = 300.0
_SECONDS: Final = 40
# More than the services have.
_SESSIONS: Final = 100


def main() -> None:
    """Run the sections named in the arguments, or all of them."""
    wanted = sys.argv[1:] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    with (
        tempfile.TemporaryDirectory(prefix="cinelog-clips-") as folder,
        scene(("mute database",), Path(folder)) as (place, _clips),
    ):
        film = make(
            Path(folder) / "film.mp4",
            *("-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart"),
            seconds=_SECONDS,
            size="640x360",
        )
        uploader = Uploader(place.stack.url)
        for name in wanted:
            SECTIONS[name](place, uploader, Clip(film.read_bytes(), good=True))
        uploader.close()


def mute_section(place: Scene, uploader: Uploader, clip: Clip) -> None:
    """All connections to the database go silent while a job runs; then another upload begins."""
    plain = [_job(place, uploader, clip) for _ in range(ROUNDS)]
    first: list[float] = []
    acknowledged: list[float] = []
    second: list[float] = []
    for _ in range(ROUNDS):
        _settle(place)
        running = uploader.by_form(clip, "Under way")
        _reach(place, running, "encoding")
        began = time.monotonic()
        mute("database")(place, random.Random())
        late = uploader.by_form(clip, "Later")
        acknowledged.append(time.monotonic() - began)
        first.append(_until_done(uploader, running) - began)
        second.append(_until_done(uploader, late) - began)
    say(f"a job undisturbed: {spread(plain)} s")
    say(f"from the mute to the next acknowledged upload: {spread(acknowledged)} s")
    say(f"from the mute to the end of the job that ran: {spread(first)} s")
    say(f"from the mute to the end of the next job: {spread(second)} s")


def broker_section(place: Scene, uploader: Uploader, clip: Clip) -> None:
    """RabbitMQ is killed and started again in the midst of a job."""
    plain = [_job(place, uploader, clip) for _ in range(ROUNDS)]
    disturbed: list[float] = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        video_id = uploader.by_form(clip, "Disturbed")
        _reach(place, video_id, "encoding")
        place.stack.kill("rabbitmq")
        disturbed.append(_until_done(uploader, video_id) - began)
    say(f"a job undisturbed: {spread(plain)} s")
    say(f"a job during which RabbitMQ is restarted: {spread(disturbed)} s")


def _job(_place: Scene, uploader: Uploader, clip: Clip) -> float:
    began = time.monotonic()
    return _until_done(uploader, uploader.by_form(clip, "Undisturbed")) - began


def _settle(place: Scene) -> None:
    """Wait until the server has ended the sessions of the connections that were muted before."""
    while rows(place.stack, "select count(*) from pg_stat_activity")[0][0] > _SESSIONS:
        time.sleep(1)


def _reach(place: Scene, video_id: str, step: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if rows(place.stack, f"select exists ({STEPS[step]})", video_id)[0][0]:
            return
        time.sleep(0.05)
    raise TimeoutError(f"{video_id} does not reach {step}")


def _until_done(uploader: Uploader, video_id: str) -> float:
    """When the job was seen to be over."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        job = uploader.ended(video_id)
        if job is not None:
            if job["status"] != "completed":
                raise RuntimeError(f"{video_id}: {job}")
            return time.monotonic()
        time.sleep(0.1)
    raise TimeoutError(f"{video_id} does not end")


SECTIONS: Final[dict[str, Callable[[Scene, Uploader, Clip], None]]] = {
    "mute": mute_section,
    "broker": broker_section,
}


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} … {max(values):.1f})"


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_on_signals()
    main()
