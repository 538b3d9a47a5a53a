"""What a machine does to everything on it: power, disk and clock."""

import contextlib
import os
import random
import time
from pathlib import Path
from typing import Final

from deploy.local import debian
from deploy.local.environments import secret_names
from deploy.local.parts import SECRETS
from deploy.local.state import Home
from tests.chaos.faults import SERVICES
from tests.chaos.scene import Broken, Fault, Scene
from tests.support.real_parts import packages

_FULL_SECONDS: Final = (5.0, 20.0)
_BLOCK: Final = 1 << 20
_CLOCK_SECONDS: Final = 12.0
_FAKETIME: Final = "libfaketime"
# One of two workers: their clocks differ then.
CLOCKS: Final = tuple(name for name in SERVICES if name != "worker-2")


def lose_power(scene: Scene, chance: random.Random) -> str | None:
    """All that is not on the disk is gone, of all processes at once; then everything starts."""
    disk, stack = scene.disk, scene.stack
    assert disk is not None
    names = (*SECRETS, *secret_names())
    before = Home(stack.stack.home).secrets(names)
    time.sleep(chance.uniform(0, 2))

    def dark() -> None:
        disk.unmount()
        disk.mount()
        if Home(stack.stack.home).secrets(names) != before:
            raise Broken("the secrets are others after the power loss")

    began = time.monotonic()
    disk.lose_power()
    stack.start_again(dark)
    return f"the power was lost; all was up again after {time.monotonic() - began:.0f} s"


def fill_disk(scene: Scene, chance: random.Random) -> str | None:
    """No byte is left on the disk of all parts for a while."""
    assert scene.disk is not None
    filler = scene.disk.folder / f"filler-{chance.getrandbits(32):08x}"
    seconds = chance.uniform(*_FULL_SECONDS)
    block = b"\0" * _BLOCK
    try:
        with filler.open("wb", buffering=0) as file:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                # What others free meanwhile is taken, too.
                with contextlib.suppress(OSError):
                    while file.write(block):
                        pass
                block = b"\0" * max(len(block) // 2, 4096)
                time.sleep(0.05)
    finally:
        filler.unlink()
    return f"the disk was full for {seconds:.0f} s"


def jump_clock(name: str) -> Fault:
    """A process's clock jumps by hours, there and back, while it runs."""

    def fault(scene: Scene, chance: random.Random) -> str | None:
        stack = scene.stack
        offset = Path(stack.stack.home) / f"clock-{name}"
        offset.write_text("+0")
        hours = chance.choice((-26, -2, 2, 26))
        try:
            killed = stack.restart_with(
                name,
                LD_PRELOAD=str(_library()),
                FAKETIME_TIMESTAMP_FILE=str(offset),
                FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1",
            )
            deadline = time.monotonic() + 60
            while not stack.is_back(name, killed) and time.monotonic() < deadline:
                time.sleep(0.2)
            offset.write_text(f"{hours:+d}h")
            time.sleep(_CLOCK_SECONDS)
            offset.write_text("+0")
            time.sleep(_CLOCK_SECONDS / 4)
        except (LookupError, ProcessLookupError):
            return None
        finally:
            for variable in [each for each in stack.environment(name) if _is_fake(each)]:
                stack.environment(name).pop(variable, None)
        with contextlib.suppress(LookupError, ProcessLookupError):
            stack.kill(name)
        return f"the clock of {name} jumped by {hours} h and back"

    return fault


def _is_fake(variable: str) -> bool:
    return variable == "LD_PRELOAD" or variable.startswith("FAKETIME")


def _library() -> Path:
    """Debian's libfaketime, unpacked beside the other packages."""
    root = debian.unpack(_FAKETIME, packages() / _FAKETIME)
    return next(root.glob("usr/lib/*/faketime/libfaketime.so.1"))


def can_jump() -> bool:
    """Whether a process's clock can be changed here."""
    return os.uname().sysname == "Linux"


FAULTS: Final[dict[str, Fault]] = {
    "lose power": lose_power,
    "fill disk": fill_disk,
    **{f"jump clock {name}": jump_clock(name) for name in CLOCKS},
}
NEED_DISK: Final = frozenset({"lose power", "fill disk"})
