"""All kinds of faults by name, and the choice among them."""

import random
import threading
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Final

from tests.chaos import (
    faults,
    lives,
    log_faults,
    machine_faults,
    media_faults,
    network_faults,
    version_faults,
)
from tests.chaos.scene import Broken, Fault, Scene
from tests.chaos.version_faults import OLDER, has_older
from tests.support.power import can_lose_power
from tests.support.stack import RunningStack

NEED_NETWORK: Final = frozenset(network_faults.FAULTS)
NEED_DISK: Final = machine_faults.NEED_DISK
NEED_OLDER: Final = frozenset(version_faults.FAULTS)
# All processes end at the same moment: nothing else can be going on.
ALONE: Final = frozenset({"lose power"})


def _on_stack(fault: Callable[[RunningStack, random.Random], str | None]) -> Fault:
    return lambda scene, chance: fault(scene.stack, chance)


def several_at_once(scene: Scene, chance: random.Random) -> str | None:
    """Two to four faults of different kinds at the same time."""
    fitting = [
        name
        for name in sorted(_SINGLE.keys() - ALONE)
        if (scene.network is not None or name not in NEED_NETWORK)
        and (scene.disk is not None or name not in NEED_DISK)
        and (scene.older is not None or name not in NEED_OLDER)
    ]
    said: list[str] = []
    broken: list[Broken] = []

    def strike(name: str, own: random.Random) -> None:
        try:
            what = _SINGLE[name](scene, own)
        except Broken as error:
            broken.append(error)
            return
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
    if broken:
        raise broken[0]
    return f"at once: {'; '.join(said)}"


_SINGLE: Final[dict[str, Fault]] = {
    **{name: _on_stack(fault) for name, fault in faults.FAULTS.items()},
    **network_faults.FAULTS,
    **media_faults.FAULTS,
    **log_faults.FAULTS,
    **machine_faults.FAULTS,
    **version_faults.FAULTS,
    **lives.FAULTS,
}
KINDS: Final[dict[str, Fault]] = {**_SINGLE, "several at once": several_at_once}


def named(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds that a pattern such as ``mute *`` names; all that are possible for none.

    Raises ValueError for a pattern that names none.
    """
    found: list[str] = []
    for pattern in patterns:
        fitting = [name for name in KINDS if fnmatch(name, pattern)]
        if not fitting:
            raise ValueError(f"no kind is named {pattern}; there are {', '.join(sorted(KINDS))}")
        found += fitting
    return tuple(found) or tuple(name for name in KINDS if name not in impossible())


def impossible() -> dict[str, str]:
    """The kinds that cannot be had on this machine, with the reason."""
    found: dict[str, str] = {}
    if not can_lose_power():
        found |= dict.fromkeys(NEED_DISK, "a disk of its own can be mounted by root only")
    if not has_older():
        found |= dict.fromkeys(NEED_OLDER, f"this clone has no commit {OLDER}")
    return found


def choose(count: int, chance: random.Random, kinds: tuple[str, ...] = ()) -> list[str]:
    """Faults in random order, of these ``kinds``: each in turn, before any comes again."""
    pool = sorted(kinds or KINDS)
    chosen: list[str] = []
    while len(chosen) < count:
        chosen += chance.sample(pool, len(pool))
    return chosen[:count]
