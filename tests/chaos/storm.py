"""One run: uploads, faults, and the verdict."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from tests.chaos.clips import Clips
from tests.chaos.faults import FAULTS, choose
from tests.chaos.uploads import Traffic
from tests.chaos.verdict import Verdict
from tests.support.stack import RunningStack
from tests.support.whole_stack import whole_stack

_PEOPLE = 5
_PAUSE = 0.5
_TRIES = 6
_AGAIN_SECONDS = 5.0

# Everything that is a matter of hours in production is one of seconds here.
_OPTIONS = {
    "SCRATCH_RESERVE_BYTES": "0",
    "SWEEP_SECONDS": "5",
    "ORPHAN_SECONDS": "30",
    "DELETION_DELAY_HOURS": "0.002",
    "DELETED_VIDEO_HOURS": "0.002",
    "RECONCILE_SECONDS": "5",
    "UPLOAD_EXPIRY_HOURS": "0.05",
    "X264_PRESET": "superfast",
}


class Outcome(Struct, frozen=True):
    """What a run came to. ``faults`` are those that were really done, by kind."""

    seed: int
    acknowledged: int
    faults: dict[str, int]
    problems: list[str]
    seconds: float
    logs: str = ""


def storm(
    seed: int,
    uploads: int,
    faults: int,
    *,
    say: Callable[[str], None],
    only: tuple[str, ...] = (),
    patience: float = 300.0,
) -> Outcome:
    """Run with ``uploads`` uploads and ``faults`` faults, the same order for the same seed.

    ``only`` names the kinds of faults to choose from; ``patience`` is how many seconds everything
    may take to settle at the end.
    """
    began = time.monotonic()
    done: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory(prefix="cinelog-clips-") as folder,
        whole_stack(2, _OPTIONS) as stack,
    ):
        clips = Clips(Path(folder))
        say(f"seed {seed}: everything is up at {stack.url}, logs in {stack.logs}")
        traffic = Traffic(stack.url, clips.take, seed)
        chance = random.Random(f"{seed} faults")
        order = choose(faults, chance, only)
        with traffic.running(uploads, _PEOPLE) as going_on:
            for number, name in enumerate(order):
                traffic.allow(_PEOPLE + (number + 1) * uploads // faults)
                while going_on() and traffic.begun * faults < number * uploads:
                    time.sleep(_PAUSE)
                _strike(stack, name, chance, done, say)
            traffic.allow(uploads)
        say(f"{len(traffic.acknowledged)} uploads acknowledged; waiting for the end of it all")
        verdict = Verdict(stack, traffic.acknowledged, patience)
        problems = [*traffic.problems, *verdict.problems()]
        if len(traffic.acknowledged) != uploads and not traffic.problems:
            problems.append(f"{len(traffic.acknowledged)} of {uploads} uploads acknowledged")
        logs = stack.all_logs(60) if problems else ""
    return Outcome(
        seed=seed,
        acknowledged=len(traffic.acknowledged),
        faults=dict(done),
        problems=problems,
        seconds=time.monotonic() - began,
        logs=logs,
    )


def _strike(
    stack: RunningStack,
    name: str,
    chance: random.Random,
    done: Counter[str],
    say: Callable[[str], None],
) -> None:
    began = time.monotonic()
    said: str | None = None
    for _ in range(_TRIES):
        try:
            said = FAULTS[name](stack, chance)
        except Exception as error:
            # A part that another fault has taken away may not answer to this one yet.
            say(f"  {name}: {error!r}")
        if said is not None:
            break
        time.sleep(_AGAIN_SECONDS)
    if said is not None:
        done[name] += 1
        say(f"  {time.strftime('%H:%M:%S')} {said} ({time.monotonic() - began:.1f} s)")
