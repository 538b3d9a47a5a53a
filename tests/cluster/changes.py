"""What an operator changes, while people use it."""

import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.cluster.load import held, load
from tests.cluster.release import CHART, NAME, STATEFUL, Failed, Release, run
from tests.cluster.visits import upload_and_play

# One of each kind: a role's password, a key of our own, RabbitMQ's login, the storage's keys.
_ROTATED: Final = (
    "role-password-catalog",
    "media-grant-secret",
    "rabbitmq-password",
    "s3-secret-key",
)
_SCALED: Final = ("gateway", "auth", "ingest", "catalog", "projector", "planner", "relay", "worker")


def upgrade(release: Release) -> str:
    """To a chart of another version: every pod of ours is replaced, and nobody notices."""
    image = release.image("gateway")
    parts = release.identities(STATEFUL)
    ours = set(release.identities(_SCALED).values())
    with tempfile.TemporaryDirectory() as folder, load(release.url()) as seen:
        began = time.monotonic()
        # The images are those of today, as those of a later version are on no node; a note at each
        # pod has it replaced, as another image would.
        tag, note = image.rsplit(":", 1)[1], f"defaults.podAnnotations.tested=at-{int(began)}"
        release.upgrade(*("--set", f"image.tag={tag}", "--set", note), chart=_newer(Path(folder)))
        took = time.monotonic() - began
    held(seen)
    _untouched(release, parts)
    if ours & set(release.identities(_SCALED).values()):
        raise Failed("the upgrade left pods of the version before")
    return f"every pod replaced in {took:.0f} s: {seen}"


def rollback(release: Release) -> str:
    """To the revision before."""
    parts = release.identities(STATEFUL)
    with load(release.url()) as seen:
        began = time.monotonic()
        release.rollback(release.revision() - 1)
        took = time.monotonic() - began
    held(seen)
    _untouched(release, parts)
    return f"in {took:.0f} s: {seen}"


def rotate(release: Release) -> str:
    """Keys get new values, and an upgrade and a rollback leave them as they are."""
    took: list[str] = []
    for key in _ROTATED:
        began = time.monotonic()
        words = ("secrets", "rotate", key, "--release", NAME, "--namespace", release.namespace)
        run(sys.executable, "-m", "services.operator.main", *words, patience=900)
        release.wait_ready()
        upload_and_play(release)
        took.append(f"{key} {time.monotonic() - began:.0f} s")
    secret = release.kubectl("get", f"secret/{NAME}-secrets", "-o", "jsonpath={.data}")
    release.upgrade()
    release.rollback(release.revision() - 1)
    if release.kubectl("get", f"secret/{NAME}-secrets", "-o", "jsonpath={.data}") != secret:
        raise Failed("an upgrade or a rollback wrote the Secret")
    upload_and_play(release)
    return ", ".join(took)


def scale(release: Release) -> str:
    """Three pods of each."""
    three = [word for name in _SCALED for word in ("--set", f"components.{name}.replicas=3")]
    release.upgrade(*three)
    count = {name: len(release.pods(name)) for name in _SCALED}
    if set(count.values()) != {3}:
        raise Failed(f"not three of each: {count}")
    with load(release.url()) as seen:
        upload_and_play(release)
    held(seen)
    most = len(release.pods())
    release.upgrade()
    return f"{most} pods: {seen}"


def _newer(folder: Path) -> Path:
    """The chart, one version later."""
    chart = folder / "cinelog"
    shutil.copytree(CHART, chart)
    about = chart / "Chart.yaml"
    about.write_text(re.sub(r"(?m)^(version|appVersion): .*", r"\1: 99.0.0", about.read_text()))
    return chart


def _untouched(release: Release, parts: dict[str, str]) -> None:
    if release.identities(STATEFUL) != parts:
        raise Failed("a stateful part was replaced")
