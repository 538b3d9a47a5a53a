"""Fetches what is missing before anything can run: the Python environment and the web client.

Run by the system's Python (3.11 or newer) with nothing installed, so only the standard library:
``python3 deploy/local/bootstrap.py run|dev``. ``run`` is what ``make up`` needs; ``dev`` adds what
``make test`` needs. Whatever is already there and unchanged is skipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploy.local.debian import (  # noqa: E402 - found by the line above
    PROMETHEUS,
    RABBITMQ,
    RABBITMQ_LEAVES_OUT,
    SRT,
    PackagesUnavailable,
    prometheus_root,
    rabbitmq_root,
    srt_root,
    unpack,
)
from deploy.local.files import write_private  # noqa: E402

VENV = ROOT / ".venv"
WEB = ROOT / "web"

_PYTHON = (3, 11)
_NODE = 20


class Missing(Exception):
    """Something is not there and could not be fetched; the message says what to do."""


def main() -> None:
    """Fetch for the group named on the command line."""
    group = sys.argv[1] if len(sys.argv) == 2 else ""
    if group not in ("run", "dev"):
        sys.exit("usage: python3 deploy/local/bootstrap.py run|dev")
    steps: list[Callable[[], None]] = [lambda: prepare_python(group), prepare_web, prepare_broker]
    steps.append(prepare_srt if group == "dev" else prepare_optional_srt)
    if group == "dev":
        steps.append(prepare_installed)
    if group == "dev" or os.environ.get("OBSERVABILITY") == "1":
        steps.append(prepare_prometheus)
    try:
        check_versions()
        prepare_venv()
        with ThreadPoolExecutor(len(steps)) as threads:
            for done in [threads.submit(step) for step in steps]:
                done.result()
    except Missing as missing:
        sys.exit(f"✗ {missing}")


def check_versions() -> None:
    """Python and Node are asked for; everything else is fetched."""
    if sys.version_info < _PYTHON:
        raise Missing(f"Python {_PYTHON[0]}.{_PYTHON[1]} or newer is needed")
    node = shutil.which("node")
    version = _output(node, "--version").strip().removeprefix("v") if node else "0"
    if int(version.split(".")[0]) < _NODE or shutil.which("npm") is None:
        raise Missing(
            f"Node {_NODE} or newer with npm is needed to build the web client "
            f"(found: {version if node else 'none'}); get it from https://nodejs.org"
        )


def prepare_venv() -> None:
    """An isolated Python, with Debian's python3-venv where that is kept apart."""
    if (VENV / "bin" / "python").exists():
        return
    with _told("creating the Python environment"):
        if _works(sys.executable, "-m", "venv", str(VENV)):
            return
        shutil.rmtree(VENV, ignore_errors=True)
        install_debian("python3-venv", why="Python's venv module")
        _run(sys.executable, "-m", "venv", str(VENV))


def prepare_python(group: str) -> None:
    """The pinned, hashed requirements, by uv or, where uv cannot reach the registry, by pip."""
    wanted = ROOT / "requirements" / f"{group}.txt"
    stamp = VENV / f".installed-{group}"
    # What tests need contains what running needs.
    everything = (VENV / ".installed-dev", ROOT / "requirements" / "dev.txt")
    if _current(stamp, wanted) or _current(*everything):
        return
    with _told("installing the Python packages"):
        python = str(VENV / "bin" / "python")
        install = ("install", "--require-hashes", "--no-deps", "-r")
        bootstrap = str(ROOT / "requirements" / "bootstrap.txt")
        pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet")
        uv = VENV / "bin" / "uv"
        by_uv = (str(uv), "pip", *install, str(wanted), "--python", python, "--quiet")
        # Compiled now and once, rather than by every service at its first start.
        by_uv += ("--compile-bytecode",)
        if not uv.exists():
            _run(*pip, *install, bootstrap)
        # uv does not read pip's configuration, which may name the only registry in reach.
        if not _works(*by_uv):
            _run(*pip, *install, str(wanted))
        _note(stamp, _fingerprint([wanted]))


def prepare_web() -> None:
    """The web client's packages, and its build."""
    lock = WEB / "package-lock.json"
    installed = WEB / "node_modules" / ".installed"
    if not _current(installed, lock):
        with _told("installing the web client's packages"):
            _run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=WEB)
            _note(installed, _fingerprint([lock]))
    built = WEB / "dist" / ".built"
    sources = _fingerprint(_web_sources())
    if not _noted(built, sources):
        with _told("building the web client"):
            _run("npm", "run", "--silent", "build", cwd=WEB)
            _note(built, sources)


def prepare_broker() -> None:
    """RabbitMQ: the one part that comes from Debian rather than from a package registry."""
    _unpacked("RabbitMQ", RABBITMQ, rabbitmq_root(_packages()), RABBITMQ_LEAVES_OUT)


def prepare_prometheus() -> None:
    """Prometheus and promtool, from Debian too."""
    _unpacked("Prometheus", PROMETHEUS, prometheus_root(_packages()))


def prepare_srt() -> None:
    """The library for lives by SRT."""
    _unpacked("libsrt", SRT, srt_root(_packages()))


def prepare_optional_srt() -> None:
    """The same; lives go on by the other protocols where it cannot be had."""
    try:
        prepare_srt()
    except Missing as missing:
        _say(f"· without SRT: {missing}")


def _packages() -> Path:
    return Path(os.environ.get("CINELOG_HOME") or ROOT / ".local") / "packages"


def _unpacked(name: str, package: str, into: Path, leaves_out: Sequence[str] = ()) -> None:
    if into.exists():
        return
    with _told(f"fetching {name}"):
        try:
            unpack(package, into, leaves_out)
        except PackagesUnavailable as error:
            raise Missing(str(error)) from error


def prepare_installed() -> None:
    """What is installed as root: one after the other, as apt-get lets no second one in."""
    prepare_browser()
    prepare_compiler()


def prepare_browser() -> None:
    """Chromium, in which the end-to-end tests play a video."""
    if shutil.which("chromium") is None:
        with _told("installing Chromium for the end-to-end tests"):
            install_debian("chromium", why="Chromium")


def prepare_compiler() -> None:
    """A C compiler, for the program that tries to get out of the decoders' sandbox."""
    if shutil.which("cc") is None:
        with _told("installing a C compiler for the tests of the sandbox"):
            install_debian("gcc", "libc6-dev", why="A C compiler")


def install_debian(*packages: str, why: str) -> None:
    """Install Debian packages as root; raises Missing with the command otherwise."""
    names = " ".join(packages)
    advice = f"{why} is missing. As root: apt-get update && apt-get install {names}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(advice)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    if not (_works("apt-get", "update", "-qq") and _works(*install)):
        raise Missing(f"{advice} (apt-get could not fetch it just now)")


def _web_sources() -> Iterable[Path]:
    for child in sorted(WEB.iterdir()):
        if child.is_file():
            yield child
        elif child.name not in ("node_modules", "dist"):
            yield from sorted(path for path in child.rglob("*") if path.is_file())


def _current(stamp: Path, source: Path) -> bool:
    return _noted(stamp, _fingerprint([source]))


def _noted(stamp: Path, what: str) -> bool:
    return stamp.exists() and stamp.read_bytes() == what.encode()


def _note(stamp: Path, what: str) -> None:
    """What was installed is on the disk before the note of it: it may be believed."""
    os.sync()
    write_private(stamp, what.encode())


def _fingerprint(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class _told:
    """Says what begins and how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._began = time.monotonic()
        _say(f"· {self._what} …")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            _say(f"✓ {self._what} ({time.monotonic() - self._began:.0f} s)")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _works(*command: str) -> bool:
    try:
        _run(*command)
    except Missing:
        return False
    return True


def _run(*command: str, cwd: Path = ROOT) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ended = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if ended.returncode != 0:
        said = "\n".join(ended.stdout.strip().splitlines()[:40])
        raise Missing(f"{' '.join(command[:4])} … failed:\n{said}")


def _output(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
