"""A running Cinelog, and a person who uses its API."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.local.daemon import Report, read_report
from deploy.local.demo import real_clip
from deploy.local.state import Home

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
PASSWORD = "correct horse battery staple"


class Product:
    """One instance behind ``make up``."""

    def __init__(self, home: Path, port: int, env: Mapping[str, str]) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self._env = env

    def local(self, command: str) -> str:
        """What ``make <command>`` runs; its output."""
        done = subprocess.run(
            (sys.executable, "-m", "deploy.local", command),
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def report(self) -> Report:
        """What runs, and under which process ids."""
        report = read_report(Home(self.home))
        assert report is not None
        return report

    def kill(self, name: str) -> None:
        """kill -9 one process; its supervisor starts it again."""
        step = next(step for step in self.report().steps if step.name == name)
        assert step.pid is not None
        os.kill(step.pid, signal.SIGKILL)

    def restarts(self, name: str) -> int:
        """How often a process was started again."""
        return next(step.restarts for step in self.report().steps if step.name == name)

    @contextmanager
    def sign_up(self) -> "Iterator[Person]":
        """A new person with a client of their own."""
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            name = f"person-{secrets.token_hex(4)}"
            answer = client.post(
                "/api/v1/auth/register",
                json={"username": name, "password": PASSWORD, "email": f"{name}@example.com"},
            )
            assert answer.status_code == 201, answer.text
            data = answer.json()["data"]
            client.headers["authorization"] = f"Bearer {data['access_token']}"
            yield Person(client, name, data["user"]["id"])


class Person:
    """Somebody signed in."""

    def __init__(self, client: httpx.Client, name: str, user_id: str) -> None:
        self.client = client
        self.name = name
        self.user_id = user_id

    def upload(self, clip: Path, title: str = "A ride") -> str:
        """Upload a file as the web client does; the job's id."""
        with clip.open("rb") as file:
            answer = self.client.post(
                "/api/v1/streaming/upload",
                data={"title": title, "description": "Through the city."},
                files={"video": (clip.name, file, "video/mp4")},
            )
        assert answer.status_code == 202, answer.text
        job: str = answer.json()["data"]["job_id"]
        return job

    def job(self, job: str) -> dict[str, Any]:
        """The job's state; {} while whoever answers is being restarted."""
        try:
            answer = self.client.get(f"/api/v1/jobs/{job}")
        except httpx.TransportError:
            return {}
        data: dict[str, Any] = answer.json()["data"] if answer.is_success else {}
        return data

    def finish(self, job: str) -> dict[str, Any]:
        """Wait until the job has ended; its last state."""
        return until(
            lambda: (
                state if (state := self.job(job)).get("status") in ("completed", "failed") else None
            )
        )


def until(fn: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Call ``fn`` until its answer is true, and return it."""
    deadline = time.monotonic() + patience
    while True:
        answer = fn()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {patience:.0f} s"
        time.sleep(0.1)


BIKES = real_clip("bikes.mp4")
BUNNY = real_clip("bigbuckbunny.mp4")
