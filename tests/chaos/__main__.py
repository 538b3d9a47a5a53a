"""``make chaos``: ``python -m tests.chaos [--uploads 200] [--faults 100] [--seed N] [--kinds …]``.

Kinds are named by patterns with commas between them: ``--kinds "mute *,lose power"``.
"""

import argparse
import random
import signal
import sys
from types import FrameType
from typing import NoReturn

from tests.chaos.kinds import impossible, named
from tests.chaos.storm import storm


def main() -> int:
    """Run; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kinds", default="")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    sys.stdout.write(f"seed {arguments.seed} (replay with --seed {arguments.seed})\n")
    for name, reason in impossible().items():
        _say(f"left out: {name}: {reason}")
    patterns = [each.strip() for each in arguments.kinds.split(",")]
    outcome = storm(
        arguments.seed,
        arguments.uploads,
        arguments.faults,
        say=_say,
        kinds=named(tuple(each for each in patterns if each)),
        patience=900.0,
    )
    struck = sum(outcome.faults.values())
    for name, count in sorted(outcome.faults.items()):
        _say(f"{count:5}  {name}")
    _say(
        f"seed {outcome.seed}: {outcome.acknowledged} uploads, {struck} faults, "
        f"{outcome.seconds:.0f} s: {len(outcome.problems)} problems"
    )
    for problem in outcome.problems:
        _say(f"✗ {problem}")
    if outcome.logs:
        _say(outcome.logs)
    return 1 if outcome.problems else 0


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    """What the storm has started and mounted is taken away, as after Ctrl-C."""
    raise KeyboardInterrupt


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
