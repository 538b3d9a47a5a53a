"""A program that is asked to end takes away what it has started."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import contextlib, os, signal, sys, time
from tests.support.ending import end_on_signals

@contextlib.contextmanager
def server():
    try:
        yield
    finally:
        # A second signal comes while it is ended.
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        print("ended", flush=True)

end_on_signals()
with server():
    print("started", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_was_started_is_ended(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "started\n"
        program.send_signal(number)
        assert program.stdout.read() == "ended\n"
    assert program.returncode == 128 + number
