"""Connections that go silent without an end, and parts that nobody can reach."""

import random
import time
from typing import Final

from tests.chaos.scene import Fault, Scene
from tests.support.network import SilentRoad

# By the part's name in faults, the name of its port in a stack.
ROADS: Final = {"database": "postgres", "broker": "amqp", "redis": "redis", "storage": "s3"}
# Longer than every limit of a wait.
_SILENT_SECONDS: Final = (20.0, 45.0)


def road_to(scene: Scene, part: str) -> SilentRoad:
    """The road that all services take to a part."""
    assert scene.network is not None
    return scene.network.roads[ROADS[part]]


def mute(part: str) -> Fault:
    """All connections to a part stay open and never say anything again; new ones work."""

    def fault(scene: Scene, _chance: random.Random) -> str | None:
        count = road_to(scene, part).mute()
        return f"muted {count} connections to the {part}" if count else None

    return fault


def isolate(part: str) -> Fault:
    """A part is silent for everybody, for new connections too; then only new ones work."""

    def fault(scene: Scene, chance: random.Random) -> str | None:
        road = road_to(scene, part)
        seconds = chance.uniform(*_SILENT_SECONDS)
        road.silent = True
        count = road.mute()
        try:
            time.sleep(seconds)
        finally:
            road.silent = False
        return f"the {part} was silent for {seconds:.0f} s, for {count} connections and new ones"

    return fault


FAULTS: Final[dict[str, Fault]] = {
    **{f"mute {part}": mute(part) for part in ROADS},
    **{f"isolate {part}": isolate(part) for part in ROADS},
}
