"""Builds every service's image and says what it weighs.

``python -m deploy.docker.images`` builds ``localhost/cinelog/SERVICE:VERSION``. BASE_IMAGE and
NODE_IMAGE name other bases, DOCKER another client; where no base can be pulled, ``BASES=debian``
makes them with debootstrap first (as root). REGISTRY takes the place of localhost, and ``PUSH=1``
pushes.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import yaml

from deploy.docker import base

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("auth", "catalog", "gateway", "ingest", "live", "operator", "relay", "transcoder")
_MB = 1000 * 1000
# What an image may weigh over its base. ffmpeg alone is 165; live also has its WebRTC library's.
LIMITS = dict.fromkeys(SERVICES, 150) | {"transcoder": 375, "live": 400}
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class BuildFailed(Exception):
    """The message says what did not work."""


def version() -> str:
    """The project's, which is the chart's appVersion."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: str = project["version"]
    return found


def image(service: str) -> str:
    """An image's whole name."""
    return f"{_name(service)}:{version()}"


def _name(service: str) -> str:
    return f"{os.environ.get('REGISTRY') or 'localhost'}/cinelog/{service}"


def disk_sync() -> str:
    """The name of the operator's image that runs beside the bundled storage.

    The chart says it. It is raised where what that process does has changed, and is not pushed over
    one that is there: so a release does not restart the storage.
    """
    values = yaml.safe_load((ROOT / "deploy/helm/cinelog/values.yaml").read_text())
    return f"{_name('operator')}:{values['s3']['bundled']['diskSync']['tag']}"


def docker() -> str:
    """A client whose engine answers and whose builds have secrets and caches (BuildKit)."""
    if chosen := os.environ.get("DOCKER"):
        return chosen
    found = [Path(folder) / "docker" for folder in os.get_exec_path()]
    clients = [str(path) for path in found if os.access(path, os.X_OK)]
    if not clients:
        raise BuildFailed("docker is missing: apt-get install docker.io")
    for client in clients:
        if _works(client, "buildx", "version") or "version 20." in _says(client, "--version"):
            break
    else:
        raise BuildFailed("docker has no BuildKit: install its buildx plugin")
    if not _works(client, "info"):
        raise BuildFailed("the Docker engine does not answer; DOCKER_HOST says which one is asked")
    return client


def build(client: str, services: Sequence[str]) -> dict[str, float]:
    """Build; returns each image's size over its base in MB. Raises BuildFailed."""
    bases = _bases(client)
    sizes: dict[str, float] = {}
    for service in services:
        sys.stdout.write(f"· {image(service)} …\n")
        sys.stdout.flush()
        command = [client, "build", "--file", "deploy/docker/Dockerfile", "--network", "host"]
        for name, value in (bases | {"SERVICE": service}).items():
            command += ["--build-arg", f"{name}={value}"]
        if _CERTIFICATES.exists():
            command += ["--secret", f"id=ca,src={_CERTIFICATES}"]
        ended = subprocess.run(
            (*command, "--tag", image(service), "."),
            cwd=ROOT,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise BuildFailed("\n".join(ended.stdout.splitlines()[-30:]))
        if service == "operator":
            subprocess.run((client, "tag", image(service), disk_sync()), check=True)
        ours = _size(client, image(service))
        sizes[service] = (ours - _base_size(client, bases)) / _MB
    return sizes


def _bases(client: str) -> dict[str, str]:
    if os.environ.get("BASES") == "debian":
        try:
            base.make(client)
        except base.NoBase as error:
            raise BuildFailed(str(error)) from error
        return {"BASE_IMAGE": base.BASE, "NODE_IMAGE": base.NODE}
    given = {name: os.environ.get(name, "") for name in ("BASE_IMAGE", "NODE_IMAGE")}
    return {name: value for name, value in given.items() if value}


def _base_size(client: str, bases: dict[str, str]) -> int:
    default = "python:3.11-slim-bookworm"
    return _size(client, bases.get("BASE_IMAGE", default))


def _size(client: str, name: str) -> int:
    """In bytes; 0 where BuildKit pulled it without keeping it."""
    if not _works(client, "image", "inspect", name):
        return 0
    found: list[dict[str, int]] = json.loads(_says(client, "image", "inspect", name))
    return found[0]["Size"]


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _says(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _push(client: str, service: str) -> None:
    subprocess.run((client, "push", "--quiet", image(service)), check=True)
    if service == "operator" and not _works(client, "manifest", "inspect", disk_sync()):
        subprocess.run((client, "push", "--quiet", disk_sync()), check=True)


def main() -> None:
    """Build, print the sizes, push if asked to."""
    if shutil.which("docker") is None and "DOCKER" not in os.environ:
        sys.exit("✗ docker is missing: apt-get install docker.io")
    try:
        client = docker()
        sizes = build(client, sys.argv[1:] or SERVICES)
    except BuildFailed as error:
        sys.exit(f"✗ {error}")
    for service, size in sizes.items():
        mark = "✓" if size <= LIMITS[service] else "✗"
        sys.stdout.write(f"{mark} {image(service)}  {size:.0f} of {LIMITS[service]} MB\n")
        if os.environ.get("PUSH") == "1":
            _push(client, service)
    if any(size > LIMITS[service] for service, size in sizes.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
