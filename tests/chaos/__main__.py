"""``make chaos``: ``python -m tests.chaos [--uploads N] [--faults N] [--seed N …] [--kinds …]``.

Kinds are named by patterns with commas between them: ``--kinds "mute *,lose power"``.
"""

import argparse
import random
import sys

from tests.chaos.kinds import impossible, named
from tests.chaos.storm import storm
from tests.support.ending import end_on_signals


def main() -> int:
    """Run a storm for each seed, one after the other; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--uploads", type=int, default=300)
    parser.add_argument("--faults", type=int, default=110)
    parser.add_argument("--seed", type=int, nargs="+", default=[_new_seed()])
    parser.add_argument("--kinds", default="")
    arguments = parser.parse_args()
    end_on_signals()
    for name, reason in impossible().items():
        _say(f"left out: {name}: {reason}")
    patterns = [each.strip() for each in arguments.kinds.split(",")]
    kinds = named(tuple(each for each in patterns if each))
    results = [_run(seed, arguments.uploads, arguments.faults, kinds) for seed in arguments.seed]
    for result, _ in results if len(results) > 1 else ():
        _say(result)
    return 0 if all(held for _, held in results) else 1


def _run(seed: int, uploads: int, faults: int, kinds: tuple[str, ...]) -> tuple[str, bool]:
    """The result in a line, and whether everything held."""
    _say(f"seed {seed} (replay with --seed {seed})")
    outcome = storm(seed, uploads, faults, say=_say, kinds=kinds, patience=900.0)
    struck = sum(outcome.faults.values())
    for name, count in sorted(outcome.faults.items()):
        _say(f"{count:5}  {name}")
    result = (
        f"seed {outcome.seed}: {outcome.acknowledged} uploads, {struck} faults, "
        f"{outcome.seconds:.0f} s: {len(outcome.problems)} problems"
    )
    _say(result)
    for problem in outcome.problems:
        _say(f"✗ {problem}")
    if outcome.logs:
        _say(outcome.logs)
    return result, not outcome.problems


def _new_seed() -> int:
    return random.SystemRandom().randrange(10**6)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
