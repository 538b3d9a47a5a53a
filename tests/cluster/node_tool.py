"""A program that makes a cluster for the test: CLUSTER_TOOL.

`PROGRAM up` starts it, `PROGRAM env` prints `export NAME=value` lines that lead kubectl and helm
there, `PROGRAM images` brings the images of this checkout and those that the chart's values name
to its nodes, and `PROGRAM down` removes it.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.release import Failed, run


@contextmanager
def cluster(*, keep: bool) -> Iterator[None]:
    """The one that CLUSTER_TOOL makes, gone at the end unless ``keep``; else kubectl's own."""
    tool = os.environ.get("CLUSTER_TOOL")
    if not tool:
        yield
        return
    _call(tool, "up")
    try:
        os.environ |= _environment(run(tool, "env"))
        _call(tool, "images")
        yield
    finally:
        if not keep:
            _call(tool, "down")


def _environment(lines: str) -> dict[str, str]:
    """Of `export NAME=value …`, as a shell reads it."""
    read = subprocess.run(
        ("sh", "-c", f"{lines}\nenv -0"), capture_output=True, text=True, check=True
    )
    named = {word.split("=", 1)[0] for word in shlex.split(lines) if "=" in word}
    pairs = (pair.split("=", 1) for pair in read.stdout.split("\0") if "=" in pair)
    return {name: value for name, value in pairs if name in named}


def _call(tool: str, verb: str) -> None:
    """It says itself how far it is."""
    if subprocess.run((tool, verb), check=False).returncode != 0:
        raise Failed(f"{tool} {verb} did not work")
