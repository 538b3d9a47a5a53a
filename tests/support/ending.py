"""Ends what a program has started, however the program is asked to end."""

import signal
import sys
from types import FrameType
from typing import NoReturn


def end_on_signals() -> None:
    """SIGTERM, SIGHUP and SIGINT unwind this program, so that what it has started is ended.

    A second one of them changes nothing: it would cut the ending short, and leave servers running.
    A program that is killed ends nothing: its processes are tied to it by the kernel, or by a pipe.
    """
    for number in _SIGNALS:
        signal.signal(number, _end)


_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
