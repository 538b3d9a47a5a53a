"""Traces continue across processes; log lines carry them and no secrets."""

import json
import logging
import subprocess
import sys

import pytest

from shared import telemetry

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_continued() -> None:
    assert telemetry.current_traceparent() is None
    with telemetry.continued(GIVEN):
        assert telemetry.current_traceparent() == GIVEN
        assert telemetry.current_trace_id() == "0af7651916cd43dd8448eb211c80319c"
    assert telemetry.current_traceparent() is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "00",
        GIVEN[:-1],
        GIVEN + "0",
        GIVEN + "-more",
        GIVEN.upper(),
        GIVEN.replace("0af7", "0xf7"),
        "ff" + GIVEN[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "é" * 55,
    ],
)
def test_what_is_no_traceparent_is_ignored(value: str | None) -> None:
    with telemetry.continued(value):
        assert telemetry.current_traceparent() is None


def test_a_later_version_may_say_more() -> None:
    with telemetry.continued("01" + GIVEN[2:] + "-more"):
        assert telemetry.current_trace_id() == "0af7651916cd43dd8448eb211c80319c"


SCRIPT = """
import logging, sys
from shared import telemetry
telemetry.configure("demo", sys.argv[1])
log = telemetry.get_logger("here")
with telemetry.continued(sys.argv[2]):
    log.info("hello", n=1, refresh_token="leak-1", user_email="leak-2", what={1: object})
logging.getLogger("other").warning("from %s", "a library")
def fail(password):
    raise ValueError("bad")
try:
    fail("leak-3")
except ValueError:
    log.exception("it broke")
"""


def lines(mode: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode, GIVEN],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_in_production_every_line_is_json() -> None:
    printed = lines("production")
    hello, library, broke = [json.loads(line) for line in printed.splitlines()]
    assert (hello["event"], hello["component"], hello["n"]) == ("hello", "here", 1)
    assert (hello["service"], hello["level"]) == ("demo", "info")
    assert hello["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert hello["refresh_token"] == hello["user_email"] == "***"
    assert (library["event"], library["level"]) == ("from a library", "warning")
    assert "ValueError: bad" in broke["exception"]
    assert "leak" not in printed


def test_on_ones_own_machine_lines_are_for_people_and_leak_no_more() -> None:
    printed = lines("local")
    assert "hello" in printed
    assert "from a library" in printed
    assert "ValueError: bad" in printed
    assert "leak" not in printed.replace('fail("leak-3")', "")


def test_libraries_that_talk_much_are_quiet() -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        telemetry.configure("demo", "production")
        assert not logging.getLogger("botocore").isEnabledFor(logging.INFO)
        assert logging.getLogger("services").isEnabledFor(logging.INFO)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
