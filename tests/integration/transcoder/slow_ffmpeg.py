"""An ffmpeg for workers that takes its time without using the processor."""

import shlex
from pathlib import Path

from shared.programs.finding import find_ffmpeg


class SlowFfmpeg:
    """Reads ``speed`` seconds of a source per second, until it is let go.

    ``path`` is for the worker's setting. What runs already when it is let go stays slow.
    """

    def __init__(self, folder: Path, speed: float) -> None:
        self.path = folder / "slow-ffmpeg"
        self._options = folder / "slow-ffmpeg-options"
        self._options.write_text(f"-readrate {speed}\n")
        # Shell builtins only: a worker starts programs with an empty PATH.
        read = f"read -r options < {shlex.quote(str(self._options))}"
        start = f'exec {shlex.quote(find_ffmpeg(None))} $options "$@"'
        self.path.write_text(f"#!/bin/sh\n{read}\n{start}\n")
        self.path.chmod(0o755)

    def let_go(self) -> None:
        """Runs that start from now on are as fast as they can be."""
        self._options.write_text("\n")
