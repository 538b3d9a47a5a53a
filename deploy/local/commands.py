"""What a person types: up, down, status, logs, clean, demo."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from deploy.local import daemon, ports
from deploy.local.database import ROOT
from deploy.local.demo import DemoFailed, upload_clip
from deploy.local.environments import tool_environment
from deploy.local.parts import postgres
from deploy.local.state import Home
from deploy.local.supervisor import Status

_UP_PATIENCE = 240.0
_DOWN_PATIENCE = 90.0


def up(home: Home, port: int, workers: int) -> int:
    """Start everything and return once the gateway is ready."""
    began = time.monotonic()
    if daemon.is_running(home):
        report = daemon.read_report(home)
        if report is not None and report.phase == "ready":
            if report.port != port and "PORT" in os.environ:
                _say(f"(to move it to port {port}: make down, then make up PORT={port})")
            _say(f"Cinelog is already up: {_address(report.port)}")
            return 0
    else:
        if not ports.is_free(port):
            return _fail(f"port {port} is taken; choose another one: make up PORT=8081")
        return _follow(home, began, _start_daemon(home))
    return _follow(home, began, None)


def _start_daemon(home: Home) -> int:
    """Returns its pid."""
    home.logs.mkdir(parents=True, exist_ok=True)
    with (home.logs / "supervisor.log").open("ab") as log:
        daemon_process = subprocess.Popen(
            (sys.executable, "-m", "deploy.local", "supervise"),
            cwd=ROOT,
            env={**os.environ, "CINELOG_HOME": str(home.folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return daemon_process.pid


def _follow(home: Home, began: float, pid: int | None) -> int:
    """Print each process as it comes up, until all have. ``pid``: the supervisor to report on."""
    reported: set[str] = set()
    while time.monotonic() - began < _UP_PATIENCE:
        report = daemon.read_report(home)
        if report is not None and pid not in (None, report.pid):
            report = None  # the last one's
        for step in report.steps if report else ():
            if step.name not in reported and step.state in ("up", "done"):
                reported.add(step.name)
                note = f": {step.reason}" if step.reason else ""
                _say(f"✓ {step.name} ({step.seconds_to_start or 0:.1f} s){note}")
        if report is not None and report.phase == "ready":
            _say(_welcome(report, time.monotonic() - began))
            return 0
        if report is not None and report.phase == "failed":
            return _explain(home, report)
        if report is None and time.monotonic() - began > 20 and not daemon.is_running(home):
            return _fail(f"the supervisor ended:\n{_tail(home.logs / 'supervisor.log')}")
        time.sleep(0.1)
    return _fail(f"not ready after {_UP_PATIENCE:.0f} s; see make status and make logs")


def _explain(home: Home, report: daemon.Report) -> int:
    failed = next((step for step in report.steps if step.state == "failed"), None)
    log = _tail(home.logs / f"{failed.name}.log") if failed else ""
    daemon.wait_until_stopped(home, _DOWN_PATIENCE)
    return _fail(f"{log}\n✗ {report.reason}" if log else report.reason)


def _welcome(report: daemon.Report, seconds: float) -> str:
    if report.stopped:
        return f'\nOnly the parts run ({seconds:.0f} s): make cli ARGS="backup restore"\n'
    port = report.port
    places = "".join(f"  {url}   {what}\n" for url, what in report.places.items())
    return (
        f"\nCinelog is up at {_address(port)} ({seconds:.0f} s)\n\n"
        "  Open it, sign up, and drop a video on the page.\n"
        "  make demo     upload a real clip and print where to watch it\n"
        "  make status   every process and whether it is well\n"
        "  make logs     what they say; SERVICE=gateway for one of them\n"
        "  make down     stop; everything is still there at the next make up\n"
        f"  {_address(port)}/docs   the API\n{places}"
    )


def down(home: Home) -> int:
    """Stop everything; the state stays."""
    if not daemon.is_running(home):
        _say("Nothing is running.")
        return 0
    code = _stop(home)
    if code == 0:
        _say("Stopped. The state is kept: make up continues, make clean forgets.")
    return code


def _stop(home: Home) -> int:
    pid = daemon.owner(home)
    if pid is None:
        return _fail("it is just starting; try again in a moment")
    _say("Stopping: requests and chunks under way are finished first …")
    os.kill(pid, signal.SIGTERM)
    if not daemon.wait_until_stopped(home, _DOWN_PATIENCE):
        os.kill(pid, signal.SIGKILL)
        return _fail(f"it did not stop within {_DOWN_PATIENCE:.0f} s and was killed")
    return 0


def status(home: Home) -> int:
    """A table of processes; 0 if all are up."""
    report = daemon.read_report(home) if daemon.is_running(home) else None
    if report is None:
        _say("Cinelog is down. make up starts it.")
        return 1
    _say(f"{_address(report.port)}  {report.phase}  {home.folder}")
    _say(f"{'PROCESS':<18}{'STATE':<12}{'PID':>8}{'RESTARTS':>10}{'START':>9}  NOTE")
    for step in report.steps:
        _say(_row(step))
    well = all(step.state in ("up", "done") for step in report.steps)
    return 0 if well else 1


def _row(step: Status) -> str:
    seconds = "" if step.seconds_to_start is None else f"{step.seconds_to_start:.1f} s"
    pid = str(step.pid or "")
    return f"{step.name:<18}{step.state:<12}{pid:>8}{step.restarts:>10}{seconds:>9}  {step.reason}"


def logs(home: Home, services: Sequence[str]) -> int:
    """Follow the logs of all of our processes, or of those named."""
    names = list(services) or sorted(path.stem for path in home.logs.glob("*.log"))
    files = [home.logs / f"{name}.log" for name in names]
    missing = [file.stem for file in files if not file.exists()]
    if missing or not files:
        known = ", ".join(sorted(path.stem for path in home.logs.glob("*.log")))
        return _fail(f"no log of {', '.join(missing) or 'anything'}; there is: {known or 'none'}")
    return subprocess.run(("tail", "-n", "40", "-F", *map(str, files)), check=False).returncode


def clean(home: Home) -> int:
    """Stop everything and forget its state; downloaded packages stay."""
    if daemon.is_running(home) and _stop(home) != 0:
        return 1
    if not home.folder.exists():
        _say("Nothing to forget.")
        return 0
    if not home.is_ours():
        return _fail(f"{home.folder} does not look like Cinelog's state; remove it yourself")
    postgres.forget(home.folder)
    for path in home.folder.iterdir():
        if path.name == "packages":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    _say(f"Forgotten: {home.folder}")
    return 0


def demo(home: Home) -> int:
    """Upload a real clip and print where to watch it."""
    report = daemon.read_report(home) if daemon.is_running(home) else None
    if report is None or report.phase != "ready":
        return _fail("Cinelog is not up; start it first: make up")
    try:
        password = home.secrets(["demo_password"])["demo_password"]
        url = upload_clip(_address(report.port), password, _say)
    except (DemoFailed, httpx.HTTPError) as error:
        return _fail(str(error) or type(error).__name__)
    _say(f"\nWatch it: {url}")
    return 0


def cli(home: Home, arguments: Sequence[str]) -> int:
    """The command line ``cinelog`` on this instance."""
    report = daemon.read_report(home) if daemon.is_running(home) else None
    if report is None:
        return _fail("Cinelog is not up; start it first: make up")
    packages = home.folder / "packages"
    _, cinelog = daemon.instance(home, report.port, report.workers, packages, home.known_ports())
    command = (sys.executable, "-m", "services.operator.main", *arguments)
    tools = ("backup", "restore", "restore-test") if "backup" in arguments[:2] else ("cli",)
    env: dict[str, str] = {}
    for tool in tools:
        env |= tool_environment(cinelog, tool)
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _fail(problem: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"✗ {problem.removeprefix('✗ ')}\n")
    return 1
