"""``make two-versions BASE=…``: an earlier version and today's in turn on one state.

Each is started as ``make up`` does, with uploads and a live, and stopped: the earlier version,
today's, the earlier one again, to which is rolled back, and today's again. At the end everything
that was uploaded plays, and the audit finds nothing. Both run on today's Python packages.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
from msgspec import Struct

from deploy.local import parts, ports
from deploy.local.environments import port_names, rtmp_url
from deploy.local.state import Home
from tests.chaos.clips import Clip, Clips
from tests.chaos.lives import publisher
from tests.chaos.uploads import Uploader
from tests.chaos.verdict import unplayable
from tests.chaos.version_faults import OLDER, older_code
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT

_UP_SECONDS: Final = 400.0
_LIVE_SECONDS: Final = 8.0
# Until what was begun is over, on a busy machine; what an older version cannot read waits for
# today's.
_DONE_SECONDS: Final = 180.0
_SETTLE_SECONDS: Final = 30
_WORKERS: Final = 2
_OPTIONS: Final = {"X264_PRESET": "superfast", "WORKERS": str(_WORKERS)}
_REFUSED: Final = "Can't locate revision"
_MIGRATIONS: Final = "shared/database/migrations.py"


class Version(Struct, frozen=True):
    """The code in ``folder``. ``newest``: nothing may wait for another version."""

    name: str
    folder: Path
    newest: bool


class Versions:
    """One state, and what was uploaded to it. ``problems``: what does not hold."""

    def __init__(self, home: Path, clips: Clips, say: Callable[[str], None]) -> None:
        self._home = Home(home)
        # The earlier version may not look well whether a port is free.
        self._home.ports((*parts.PORTS, *port_names(_WORKERS)))
        self._port = ports.choose(("gateway",), {})["gateway"]
        self._url = f"http://127.0.0.1:{self._port}"
        self._clips = clips
        self._say = say
        self._person: Uploader | None = None
        self._videos: list[str] = []
        self.problems: list[str] = []

    def run(self, version: Version, uploads: int, chance: random.Random) -> None:
        """Start it, use it, look at everything so far, stop it."""
        self._say(f"{version.name} …")
        self._start(version)
        try:
            person = self._person = self._person or Uploader(self._url)
            for number in range(uploads):
                self._videos.append(_upload(person, self._clips.with_sound(chance), number))
            self._videos.append(self._live(person))
            found = self._look()
            self._say(f"{version.name}: {len(self._videos)} videos, {len(found)} problems")
            for problem in found:
                self._say(f"  {'✗' if version.newest else '·'} {problem}")
            if version.newest:
                self.problems += [f"{version.name}: {problem}" for problem in found]
                self.problems += self._audit(version)
        finally:
            self._call(version, "down")

    def forget(self, version: Version) -> None:
        """End everything and empty the state."""
        self._call(version, "clean")

    def _start(self, version: Version) -> None:
        ended = self._call(version, "up")
        if ended.returncode != 0 and _REFUSED in ended.stdout and not version.newest:
            # Setups were so strict before migrations knew of newer releases.
            self._say(f"{version.name}: its setup refuses the newer schema; it gets today's")
            shutil.copy(ROOT / _MIGRATIONS, version.folder / _MIGRATIONS)
            ended = self._call(version, "up")
        if ended.returncode != 0:
            raise RuntimeError(f"{version.name} does not start:\n{ended.stdout}")

    def _live(self, person: Uploader) -> str:
        """Be live for some seconds; the id of the video that it becomes."""
        made = person.ask("POST", "/api/v1/live/streams", {"title": "Two versions"}, 201)
        address = f"{rtmp_url(self._home.known_ports())}/{made['stream_key']}"
        program = subprocess.Popen(publisher(address), stderr=subprocess.DEVNULL)
        path = f"/api/v1/live/streams/{made['id']}"
        try:
            until = time.monotonic() + _DONE_SECONDS
            while not (sessions := person.ask("GET", f"{path}/sessions", None, 200)):
                if time.monotonic() > until:
                    raise RuntimeError("no session begins")
                time.sleep(0.5)
            time.sleep(_LIVE_SECONDS)
        finally:
            program.kill()
            program.wait()
        person.ask("POST", f"{path}/complete", None, 200)
        return str(sessions[0]["video_id"])

    def _look(self) -> list[str]:
        """What does not play, once it has had its time."""
        until = time.monotonic() + _DONE_SECONDS
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            while True:
                found = [problem for video in self._videos for problem in unplayable(client, video)]
                if not found or time.monotonic() > until:
                    return found
                time.sleep(1)

    def _audit(self, version: Version) -> list[str]:
        ended = self._call(version, "cli", "audit", "--settle", str(_SETTLE_SECONDS))
        if ended.returncode == 0:
            return []
        broken = [line for line in ended.stdout.splitlines() if not line.startswith("✓")]
        return [f"{version.name}: audit: {line}" for line in broken]

    def _call(self, version: Version, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "deploy.local", *arguments),
            cwd=version.folder,
            env={
                **os.environ,
                **_OPTIONS,
                "CINELOG_HOME": str(self._home.folder),
                "PORT": str(self._port),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_UP_SECONDS,
            check=False,
        )


def _upload(person: Uploader, clip: Clip, number: int) -> str:
    if number % 2:
        return person.by_tus(clip, "Two versions", pieces=2)
    return person.by_form(clip, "Two versions")


def main() -> int:
    """0 if everything that was uploaded is there at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.two_versions", description=__doc__)
    parser.add_argument("--base", default=OLDER)
    parser.add_argument("--uploads", type=int, default=4)
    arguments = parser.parse_args()
    end_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="cinelog-two-") as name,
        older_code(Path(name), arguments.base, ()) as folder,
    ):
        home = Path(name) / "home"
        home.mkdir()
        # The database server's user passes through.
        for each in (home.parent, home):
            each.chmod(0o711)
        packages = Path(os.environ.get("CINELOG_HOME") or ROOT / ".local").resolve() / "packages"
        (home / "packages").symlink_to(packages)
        (folder / "web" / "dist").symlink_to(ROOT / "web" / "dist")
        (clips := Path(name) / "clips").mkdir()
        earlier = Version(f"version {arguments.base[:9]}", folder, newest=False)
        today = Version("today's version", ROOT, newest=True)
        versions = Versions(home, Clips(clips), _say)
        chance = random.Random(arguments.base)
        try:
            for version in (earlier, today, earlier, today):
                versions.run(version, arguments.uploads, chance)
        finally:
            versions.forget(today)
    for problem in versions.problems:
        _say(f"✗ {problem}")
    _say(f"{len(versions.problems)} problems")
    return 1 if versions.problems else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
