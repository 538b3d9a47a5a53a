"""One run: uploads, faults, and the verdict."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from msgspec import Struct

from tests.chaos.clips import Clips
from tests.chaos.faults import SERVICES
from tests.chaos.kinds import KINDS, NEED_DISK, NEED_NETWORK, NEED_OLDER, choose
from tests.chaos.lives import Lives, wanted
from tests.chaos.network_faults import ROADS
from tests.chaos.scene import Sacrifices, Scene
from tests.chaos.strikes import Strikes
from tests.chaos.uploads import Traffic
from tests.chaos.verdict import Verdict
from tests.chaos.version_faults import older_code
from tests.support.network import Network, network
from tests.support.power import Disk, disk
from tests.support.real_parts import in_memory
from tests.support.stack import RunningStack
from tests.support.whole_stack import whole_stack

_PEOPLE = 5
_DISK_BYTES = 3 << 30

# Everything that is a matter of hours in production is one of seconds here.
_OPTIONS = {
    "SCRATCH_RESERVE_BYTES": "0",
    "SWEEP_SECONDS": "5",
    "ORPHAN_SECONDS": "30",
    "DELETION_DELAY_HOURS": "0.002",
    "DELETED_VIDEO_HOURS": "0.002",
    "BIN_DAYS": "0",
    "RECONCILE_SECONDS": "5",
    "SCRUB_DAYS": "0.003",
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
    kinds: tuple[str, ...] = (),
    patience: float = 300.0,
) -> Outcome:
    """Run with ``uploads`` uploads and ``faults`` faults, the same order for the same seed.

    ``kinds`` are those to choose from, all without any; ``patience`` is how many seconds
    everything may take to settle at the end.
    """
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="cinelog-clips-") as folder,
        scene(kinds or tuple(KINDS), Path(folder)) as (place, clips),
    ):
        stack = place.stack
        say(f"seed {seed}: everything is up at {stack.url}, logs in {stack.logs}")
        traffic = Traffic(stack.url, clips.take, seed, people=_PEOPLE)
        strikes = Strikes(place, seed, say)
        order = choose(faults, random.Random(f"{seed} faults"), kinds)
        lives = Lives(stack)
        with (
            lives.running() if wanted(kinds or tuple(KINDS)) else nullcontext(),
            traffic.running(uploads) as going_on,
        ):
            strikes.all(order, traffic, uploads, going_on)
            traffic.allow(uploads)
        say(f"{len(traffic.acknowledged)} uploads acknowledged; waiting for the end of it all")
        verdict = Verdict(stack, traffic.acknowledged, place.sacrifices, patience)
        problems = [*traffic.problems, *strikes.broken, *lives.problems, *verdict.problems()]
        if len(traffic.acknowledged) != uploads and not traffic.problems:
            problems.append(f"{len(traffic.acknowledged)} of {uploads} uploads acknowledged")
        logs = stack.all_logs(60) if problems else ""
    return Outcome(
        seed=seed,
        acknowledged=len(traffic.acknowledged),
        faults=dict(strikes.done),
        problems=problems,
        seconds=time.monotonic() - began,
        logs=logs,
    )


@contextmanager
def scene(kinds: tuple[str, ...], folder: Path) -> Iterator[tuple[Scene, Clips]]:
    """Everything up, on a disk and over roads of its own where one of the kinds needs them."""
    clips = Clips(folder)
    with ExitStack() as at_the_end:
        own: Disk | None = None
        if NEED_DISK & set(kinds):
            room = Path(at_the_end.enter_context(tempfile.TemporaryDirectory(dir=in_memory())))
            # The database server's user passes through.
            room.chmod(0o711)
            own = at_the_end.enter_context(disk(room, _DISK_BYTES))
        roads: list[Network] = []

        def lay_roads(stack: RunningStack) -> None:
            if NEED_NETWORK & set(kinds):
                ports = {name: stack.stack.ports[name] for name in ROADS.values()}
                roads.append(at_the_end.enter_context(network(ports)))
                for name in SERVICES:
                    env = stack.environment(name)
                    env.update({key: roads[0].over(value) for key, value in env.items()})

        older: Path | None = None
        if NEED_OLDER & set(kinds):
            older = at_the_end.enter_context(older_code(folder))
        stack = at_the_end.enter_context(
            whole_stack(2, _OPTIONS, place=own.folder if own else None, before=lay_roads)
        )
        sacrifices = Sacrifices(stack.url, clips)
        yield Scene(stack, sacrifices, roads[0] if roads else None, own, older), clips
