"""Debian packages unpacked into a folder: no root, no system service, nothing installed.

Only the standard library: this also runs before anything is installed.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

RABBITMQ = "rabbitmq-server"
RABBITMQ_LEAVES_OUT = ("logrotate", "socat")
"""What only the system-wide service needs."""

PROMETHEUS = "prometheus"
"""Its server, for a look at one's own metrics, and promtool, which tests the alerts."""

SRT = "libsrt1.5-openssl"
"""The library by which lives are received by SRT."""


class PackagesUnavailable(Exception):
    """The packages could not be had; the message says which and how to get them."""


def rabbitmq_root(packages: Path) -> Path:
    """Below which RabbitMQ lies: the system itself where it is installed there."""
    if Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists():
        return Path("/")
    return packages.resolve() / "rabbitmq"


def prometheus_root(packages: Path) -> Path:
    """Below which Prometheus and promtool lie."""
    if Path("/usr/bin/promtool").exists():
        return Path("/")
    return packages.resolve() / PROMETHEUS


def srt_root(packages: Path) -> Path:
    """Below which libsrt lies: the system itself where it is installed there."""
    if srt_library(Path("/")) is not None:
        return Path("/")
    return packages.resolve() / "srt"


def srt_library(root: Path) -> Path | None:
    """The library itself, whatever the machine's architecture; None where it is not there."""
    return next(iter(sorted(root.glob("usr/lib/*/libsrt.so.1.5"))), None)


def unpack(
    package: str, into: Path, skip: Sequence[str] = (), *, beside: Sequence[str] = ()
) -> Path:
    """Download ``package`` and what it needs of the not yet installed, and unpack all.
    ``beside``: further packages for the same folder. They are unpacked where they are installed,
    too.

    A folder that is there is complete: it is renamed into place at the end.
    """
    if into.exists():
        return into
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise PackagesUnavailable(f"{package} is missing and this is no Debian: install it")
    packages = (package, *beside)
    names = " ".join(packages)
    working = into.with_name(f"{into.name}.{threading.get_native_id()}.partial")
    shutil.rmtree(working, ignore_errors=True)
    (working / "root").mkdir(parents=True)
    try:
        try:
            _download(working, packages, skip, ())
        except CommandFailed:
            # No package lists yet, or old ones: fetch them into a folder of our own.
            lists = working / "lists"
            (lists / "partial").mkdir(parents=True)
            own = ("-o", f"Dir::State::lists={lists}")
            _apt(working, *own, "update")
            _download(working, packages, skip, own)
        for archive in sorted(working.glob("*.deb")):
            _run("dpkg-deb", "-x", str(archive), str(working / "root"), folder=working)
        if not into.exists():
            os.sync()  # else a power loss could leave a complete folder of empty files
            (working / "root").rename(into)
    except CommandFailed as error:
        raise PackagesUnavailable(
            f"Debian's {package} could not be fetched ({error}). "
            f"Install it yourself (as root: apt-get update && apt-get install {names}) "
            "and start again."
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return into


def _download(
    working: Path, packages: Sequence[str], skip: Sequence[str], options: tuple[str, ...]
) -> None:
    plan = _apt(working, *options, "install", "--simulate", "--no-install-recommends", *packages)
    missing: list[str] = re.findall(r"^Inst (\S+)", plan, flags=re.MULTILINE)
    # The plan leaves out what is installed; without a name, there is nothing to download.
    needed = dict.fromkeys((*packages, *missing))
    _apt(working, *options, "download", *(name for name in needed if name not in skip))


class CommandFailed(Exception):
    """A command ended badly; the message is the last thing it said."""


def _apt(working: Path, *arguments: str) -> str:
    ours = ("-qq", "-o", "Debug::NoLocking=1", "-o", f"Dir::Cache={working}")
    # Downloads go to our folder, into which apt's own user may not write.
    return _run("apt-get", *ours, "-o", "APT::Sandbox::User=root", *arguments, folder=working)


def _run(*command: str, folder: Path) -> str:
    ended = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        raise CommandFailed(lines[-1] if lines else f"{command[0]} failed")
    return ended.stdout
