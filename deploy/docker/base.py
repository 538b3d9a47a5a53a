"""Bases for images where no image can be pulled: Debian by debootstrap, and one with Node.

``python3 deploy/docker/base.py`` as root makes ``cinelog-base`` and ``cinelog-node``. The mirror is
the one that this machine's apt uses; Node is this machine's.
"""

import shutil
import subprocess
import sys
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


def main() -> None:
    """Make both images, unless they are there."""
    docker = sys.argv[1] if len(sys.argv) > 1 else "docker"
    if _exists(docker, BASE) and _exists(docker, NODE):
        return
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
            sys.exit("node with npm is needed, as for make up")
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
    sys.exit(f"apt names no mirror for {release}")


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


if __name__ == "__main__":
    main()
