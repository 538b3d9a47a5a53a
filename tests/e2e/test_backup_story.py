"""Backed up under load, cut in the midst, lost, restored: what was there is there again."""

import base64
import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from deploy.local.environments import Stack, tool_environment
from deploy.local.parts import Urls
from tests.e2e.people import PASSWORD, PATIENCE, SMALL, Person, sign_up, until
from tests.support.brokers import Broker, own_vhost
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import Database, copy_of
from tests.support.real_parts import ROOT
from tests.support.stack import RunningStack, running_stack

KEY = base64.b64encode(secrets.token_bytes(32)).decode()
COMMAND = (sys.executable, "-m", "services.operator.main", "--json")


class Operator:
    """The command line on one installation, as a process of its own."""

    def __init__(self, stack: Stack, target: Path) -> None:
        self._environment = {"BACKUP_TARGET": str(target), "BACKUP_KEY": KEY}
        for tool in ("cli", "backup", "restore", "restore-test"):
            asked = {"BACKUP_TARGET", "BACKUP_KEY"}
            given = tool_environment(stack, tool)
            self._environment |= {k: v for k, v in given.items() if k not in asked}

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            (*COMMAND, *arguments),
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> list[Any]:
        with self.begin(*arguments) as process:
            said, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said + told
        return [json.loads(line) for line in said.splitlines()]


@contextmanager
def uploading(url: str, jobs: list[str]) -> Iterator[None]:
    """Somebody uploads one video after the other; those that are complete are in ``jobs``."""
    enough = threading.Event()

    def upload() -> None:
        with sign_up(url, "busy") as person:
            while not enough.is_set():
                job = person.upload(SMALL, f"Number {len(jobs)}")
                if person.finish(job)["status"] == "completed":
                    jobs.append(job)

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def cut(operator: Operator, when: Callable[[], bool]) -> None:
    """``kill -9`` a backup in the midst."""
    with operator.begin("backup", "run") as process:
        deadline = time.monotonic() + PATIENCE
        while not when():
            assert process.poll() is None, "it was faster"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()


def began(target: Path, there: set[Path]) -> bool:
    """Whether objects are there that were not."""
    return bool(set(target.glob("objects/*/*/*")) - there)


def test_everything_is_lost_and_restored(
    parts: Urls,
    database: Database,
    database_template: str,
    broker: Broker,
    redis_url: str,
    s3: Buckets,
    tmp_path: Path,
) -> None:
    target = tmp_path / "backups"
    jobs: list[str] = []
    with (
        own_buckets(parts) as archive,
        running_stack(
            parts, database, broker, redis_url, s3, 1, archive_bucket=archive.sources
        ) as stack,
        sign_up(stack.url) as person,
    ):
        operator = Operator(stack.stack, target)
        before = person.upload(SMALL, "Before")
        assert person.finish(before)["status"] == "completed"
        with uploading(stack.url, jobs):
            good = operator("backup", "run")[0]["backup"]
            until(lambda: len(jobs) > 1)
            there = set(target.glob("objects/*/*/*"))
            cut(operator, lambda: began(target, there))
            assert operator("backup", "verify")[0]["name"] == good["name"]
            known = list(jobs)
            last = operator("backup", "run")[0]["backup"]
        lost = stack.stack
    assert last["name"] > good["name"]
    with (
        copy_of(parts.postgres, database_template) as own,
        own_buckets(parts) as buckets,
        own_buckets(parts) as archive,
        own_vhost(parts.amqp, parts.rabbitmq_api) as vhost,
    ):
        anew = msgspec.structs.replace(
            lost,
            home=tmp_path / "anew",
            urls=msgspec.structs.replace(lost.urls, postgres=own.admin_url, amqp=vhost.amqp_url),
            sources_bucket=buckets.sources,
            media_bucket=buckets.media,
            archive_bucket=archive.sources,
        )
        anew.home.mkdir()
        operator = Operator(anew, target)
        restored = operator("backup", "restore", "--yes")[0]
        assert restored["name"] == last["name"]
        assert restored["position"] >= last["position"]
        with running(anew) as stack, again(stack.url, person.name) as client:
            somebody = Person(client, person.name)
            assert somebody.finish(before)["status"] == "completed"
            for job in (before, *known):
                assert somebody.plays(job)
            found = operator("audit", "--settle", "10", "--archive")
            assert [line for line in found if line["broken"]] == []
            assert len(found) > 10
            assert somebody.finish(somebody.upload(SMALL))["status"] == "completed"


@contextmanager
def running(stack: Stack) -> Iterator[RunningStack]:
    made = RunningStack(stack)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@contextmanager
def again(url: str, name: str) -> Iterator[httpx.Client]:
    """Who had an account before logs in as before."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        answer = client.post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.is_success, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['data']['access_token']}"
        yield client
