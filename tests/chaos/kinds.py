"""All kinds of faults by name, and the choice among them."""

import random
import threading
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Final

from tests.chaos import faults, log_faults, machine_faults, media_faults, network_faults
from tests.chaos.scene import Fault, Scene
from tests.support.power import can_lose_power
from tests.support.stack import RunningStack

NEED_NETWORK: Final = frozenset(network_faults.FAULTS)
NEED_DISK: Final = machine_faults.NEED_DISK
# All processes end at the same moment: nothing else can be going on.
_ALONE: Final = frozenset({"lose power"})


def _on_stack(fault: Callable[[RunningStack, random.Random], str | None]) -> Fault:
    return lambda scene, chance: fault(scene.stack, chance)


def several_at_once(scene: Scene, chance: random.Random) -> str | None:
    """Two to four faults of different kinds at the same time."""
    fitting = [
        name
        for name in sorted(_SINGLE.keys() - _ALONE)
        if (scene.network is not None or name not in NEED_NETWORK)
        and (scene.disk is not None or name not in NEED_DISK)
    ]
    said: list[str] = []

    def strike(name: str, own: random.Random) -> None:
        try:
            what = _SINGLE[name](scene, own)
        except Exception as error:
            # One may take away what the other looks at.
            what = f"{name}: {error!r}"
        said.append(what or f"{name}: nothing to do it to")

    threads = [
        threading.Thread(target=strike, args=(name, random.Random(chance.random())))
        for name in chance.sample(fitting, chance.randint(2, 4))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"at once: {'; '.join(said)}"


_SINGLE: Final[dict[str, Fault]] = {
    **{name: _on_stack(fault) for name, fault in faults.FAULTS.items()},
    **network_faults.FAULTS,
    **media_faults.FAULTS,
    **log_faults.FAULTS,
    **machine_faults.FAULTS,
}
KINDS: Final[dict[str, Fault]] = {**_SINGLE, "several at once": several_at_once}


def named(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds that a pattern such as ``mute *`` names; all that this machine allows for none.

    Raises ValueError for a pattern that names none.
    """
    found: list[str] = []
    for pattern in patterns:
        fitting = [name for name in KINDS if fnmatch(name, pattern)]
        if not fitting:
            raise ValueError(f"no kind is named {pattern}; there are {', '.join(sorted(KINDS))}")
        found += fitting
    return tuple(found) or tuple(
        name for name in KINDS if name not in NEED_DISK or can_lose_power()
    )


def choose(count: int, chance: random.Random, kinds: tuple[str, ...] = ()) -> list[str]:
    """Faults in random order, of these ``kinds``: each in turn, before any comes again."""
    pool = sorted(kinds or KINDS)
    chosen: list[str] = []
    while len(chosen) < count:
        chosen += chance.sample(pool, len(pool))
    return chosen[:count]
