"""``make mutants``: changes the code a little, again and again, and runs the tests for it.

Prints the changes that no test notices. Ends with 1 if there is one that is not in
``equivalent.toml``, or one there that no longer is.
"""

import argparse
import contextlib
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import TextIO

import pytest

from tests.mutants import equivalents
from tests.mutants.measure import Measure, Outcome
from tests.mutants.mutation import Mutation, line_of, shown
from tests.mutants.python_mutations import mutations
from tests.mutants.targets import ROOT, Target, chosen


def main() -> int:
    """Run; 0 if nothing survives that should not."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="parts of paths; all modules without any")
    parser.add_argument("--sample", type=int, default=0, help="how many; 0 for all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--line", type=int, help="only the mutations that begin on this line")
    arguments = parser.parse_args()
    targets = chosen(arguments.modules)
    sources = {path: (ROOT / path).read_bytes() for each in targets for path in each.paths}
    everything = all_mutations(targets, sources)
    listed = everything
    if arguments.line:
        listed = [m for m in listed if line_of(m, sources[m.path]) == arguments.line]
    if 0 < arguments.sample < len(listed):
        listed = random.Random(arguments.seed).sample(listed, arguments.sample)
        listed.sort(key=lambda each: (each.path, each.start))
    with _own_output() as say:
        say.write(f"{len(listed)} of {len(everything)} mutations, seed {arguments.seed}\n")
        run = Run(sources, say)
        tests = list(dict.fromkeys(test for each in targets for test in each.tests))
        run.mutations(listed, tests)
        return run.verdict(everything, whole=not arguments.modules)


def all_mutations(targets: Sequence[Target], sources: dict[str, bytes]) -> list[Mutation]:
    """Those of all modules of some targets."""
    return [
        mutation
        for target in targets
        for path in target.paths
        for mutation in mutations(path, sources[path], target.functions)
    ]


class Run:
    """One run: what was tried, what survived, and what is known to be equivalent."""

    def __init__(self, sources: dict[str, bytes], say: TextIO) -> None:
        self._sources = sources
        self._say = say
        self._known = equivalents.load()
        self._tried = 0
        self._survivors = 0
        self._equivalent = 0

    def mutations(self, listed: list[Mutation], tests: list[str]) -> None:
        """Try them. Ends the run if the tests fail by themselves."""
        measure = Measure(self._sources, listed, self._outcome)
        arguments = ["-q", "-s", "-p", "no:cacheprovider", "--timeout", "0", *tests]
        code = pytest.main(arguments, plugins=[measure])
        if measure.failed or code:
            raise SystemExit("the tests do not pass without a mutation")

    def verdict(self, everything: list[Mutation], *, whole: bool) -> int:
        """Say how it went; the exit code."""
        self._write(
            f"{self._tried} tried: {self._survivors} survive, "
            f"{self._equivalent} are known to be equivalent"
        )
        possible = {(m.path, *shown(m, self._sources[m.path])) for m in everything}
        stale = (
            [entry for key, entry in self._known.items() if key not in possible] if whole else []
        )
        for entry in stale:
            self._write(f"no longer a mutation: {entry.file}: {entry.before} → {entry.after}")
        return 1 if self._survivors or stale else 0

    def _outcome(self, outcome: Outcome) -> None:
        self._tried += 1
        mutation = outcome.mutation
        if outcome.verdict == "killed":
            return
        source = self._sources[mutation.path]
        if (mutation.path, *shown(mutation, source)) in self._known:
            self._equivalent += 1
            return
        self._survivors += 1
        line = line_of(mutation, source)
        self._write(f"{mutation.path}:{line}: {outcome.verdict} in {mutation.function or 'module'}")
        before, after = source.decode(), mutation.applied(source).decode()
        difference = unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
        self._write(*(f"    {line}" for line in list(difference)[3:]))

    def _write(self, *lines: str) -> None:
        for line in lines:
            self._say.write(f"{line}\n")
        self._say.flush()


@contextlib.contextmanager
def _own_output() -> Iterator[TextIO]:
    """Where to write to while pytest's output goes to a file, shown if the run breaks off."""
    with (
        os.fdopen(os.dup(1), "w") as say,
        tempfile.TemporaryFile("w+", errors="replace") as log,
    ):
        kept = os.dup(1), os.dup(2)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield say
        except BaseException:
            log.seek(0)
            say.write(log.read())
            raise
        finally:
            sys.stdout.flush()
            for descriptor, original in enumerate(kept, start=1):
                os.dup2(original, descriptor)
                os.close(original)


if __name__ == "__main__":
    sys.exit(main())
