"""``make attack``: ``python -m tests.attack [--small] [NAME]…``: what one attacker does to others.

Prints one line for each attack: what others saw before, during and after it, and what the attacker
was answered. Ends with 1 if one of them took something away from others.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.attack.attacks import ATTACKS, Outcome, run
from tests.attack.scene import scene
from tests.support.ending import end_on_signals


def main() -> int:
    """Run; 0 if others noticed nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("names", nargs="*", help="all of them without any", choices=[*ATTACKS, []])
    parser.add_argument("--small", action="store_true", help="a tenth of each")
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as place:
        for name in arguments.names or ATTACKS:
            outcomes.append(run(place, name, small=arguments.small))
            sys.stdout.write(f"{outcomes[-1]}\n")
            sys.stdout.flush()
    return 1 if any(each.problems or each.slow for each in outcomes) else 0


if __name__ == "__main__":
    end_on_signals()
    sys.exit(main())
