"""Bases for images where none can be pulled: Debian by debootstrap, and the same with Node.

The mirror is the one that this machine's apt uses; Node is this machine's. Needs root.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

BASE = "cinelog-base"
NODE = "cinelog-node"
_PACKAGES = ("ca-certificates", "python3", "python3-venv", "tzdata")
_LEFT_OUT = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
)


class NoBase(Exception):
    """A base could not be made; the message says why."""


def make(docker: str) -> None:
    """Make both, unless they are there. Raises NoBase."""
    if _exists(docker, BASE) and _exists(docker, NODE):
        return
    if shutil.which("debootstrap") is None:
        raise NoBase("debootstrap is missing: apt-get install debootstrap")
    with tempfile.TemporaryDirectory(prefix="cinelog-base-") as folder:
        root = Path(folder) / "root"
        mirror, suite = _source()
        _run(
            *("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"),
            *(suite, str(root), mirror),
        )
        for unneeded in _LEFT_OUT:
            shutil.rmtree(root / unneeded, ignore_errors=True)
        _load(docker, root, BASE)
        node = shutil.which("node")
        modules = Path("/usr/lib/node_modules/npm")
        if node is None or not modules.is_dir():
            raise NoBase("node with npm is needed, as for make up")
        shutil.copy2(Path(node).resolve(), root / "usr/bin/node")
        shutil.copytree(modules, root / "usr/lib/node_modules/npm", symlinks=True)
        (root / "usr/bin/npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
        _load(docker, root, NODE)


def _source() -> tuple[str, str]:
    """The mirror and the release that apt on this machine is set to."""
    listed = _output(
        *("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Identifier: Packages")
    )
    release = _output("sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME").strip()
    for line in listed.splitlines():
        uri, _, suite = line.partition(" ")
        if suite == release and "security" not in uri:
            return uri, suite
    raise NoBase(f"apt names no mirror for {release}")


def _exists(docker: str, image: str) -> bool:
    return _output(docker, "image", "ls", "--quiet", image).strip() != ""


def _load(docker: str, root: Path, image: str) -> None:
    """A folder as an image of one layer."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(archive.name, "w") as tar:
            tar.add(root, arcname=".")
        _run(docker, "import", "--change", "ENV LANG=C.UTF-8", archive.name, image)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
