"""Run ``python -m ARGUMENTS`` and start it anew whenever code under /app changes. For Tilt only.

A process that ends by itself is started again after the next change, as the code is at fault.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

_FOLDERS = (Path("/app/shared"), Path("/app/services"))
_LOOK_EVERY_SECONDS = 0.5
_GRACE_SECONDS = 20.0


def main() -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    command = (sys.executable, "-m", *sys.argv[1:])
    while True:
        seen = newest()
        process = subprocess.Popen(command)
        try:
            while newest() == seen:
                time.sleep(_LOOK_EVERY_SECONDS)
            sys.stderr.write("the code has changed: starting anew\n")
        finally:
            process.terminate()
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def newest() -> tuple[float, int]:
    """Changes whenever a file does: the youngest one's time, and how many there are."""
    times = [path.stat().st_mtime for folder in _FOLDERS for path in folder.rglob("*.py")]
    return max(times, default=0.0), len(times)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
