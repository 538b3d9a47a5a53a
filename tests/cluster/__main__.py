"""``make test-cluster``: ``python -m tests.cluster [--keep] [--namespace NAME] [STEP]…``.

Installs the chart on a real cluster and does to it what happens in a year. One line for each step:
whether it held, how long it took, and its figure. Ends with 1 if one did not hold.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Final

from tests.cluster import backups, changes, faults, installing, visits
from tests.cluster.node_tool import cluster
from tests.cluster.policies import policies
from tests.cluster.release import Failed, Release
from tests.support.ending import end_on_signals

STEPS: Final[dict[str, Callable[[Release], str]]] = {
    "install": installing.install,
    "helm-test": installing.helm_test,
    "story": visits.story,
    "live": visits.live,
    "policies": policies,
    "upgrade": changes.upgrade,
    "rollback": changes.rollback,
    "rotate": changes.rotate,
    "kill-pods": faults.kill_pods,
    "drain": faults.drain,
    "memory": faults.memory,
    "scale": changes.scale,
    "backup": backups.backup,
    "restore": backups.restore,
}


def main() -> int:
    """Run; 0 if every step held."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("steps", nargs="*", choices=[*STEPS, []], help="all of them without any")
    parser.add_argument("--namespace", default="cinelog-test", help="made, and deleted at the end")
    parser.add_argument("--keep", action="store_true", help="delete neither release nor cluster")
    arguments = parser.parse_args()
    end_on_signals()
    try:
        with cluster(keep=arguments.keep):
            return _run(Release(arguments.namespace), arguments.steps or [*STEPS], arguments.keep)
    except Failed as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1


def _run(release: Release, steps: list[str], keep: bool) -> int:
    held = True
    try:
        if "install" not in steps:
            release.settings += installing.settings(release)
        for step in steps:
            began = time.monotonic()
            try:
                mark, said = "✓", STEPS[step](release)
            except (Failed, AssertionError) as error:
                mark, said, held = "✗", str(error), False
            sys.stdout.write(f"{mark} {step:10} {time.monotonic() - began:5.0f} s  {said}\n")
            sys.stdout.flush()
            if step == "install" and not held:
                break
    finally:
        if not keep:
            installing.remove(release)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
