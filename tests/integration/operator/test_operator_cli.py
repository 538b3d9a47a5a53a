"""Every command of the operator's command line, on the whole of Cinelog."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from deploy.local.environments import tool_environment
from services.operator.commands import command_line, run
from services.operator.main import tools
from services.operator.projection_commands import PROJECTIONS
from services.operator.services import Services
from services.operator.settings import OperatorSettings
from shared import settings
from shared.blobs.s3 import S3Store, s3_client
from shared.errors import CinelogError
from shared.messaging.broker import create_broker
from tests.e2e.people import BIKES, SMALL, Person, sign_up, until
from tests.support.forked import run_service
from tests.support.stack import RunningStack
from tests.support.threads import run as run_async


def _unasked(_: object) -> Any:
    raise AssertionError("it opens what it does not need")


class Cli:
    """The command line. ``said`` is what the last command told people beside its result."""

    def __init__(self, commands: Callable[[Any], Any], capsys: pytest.CaptureFixture[str]) -> None:
        self._commands = commands
        self._capsys = capsys
        self.said = ""

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json; its result. ``code`` is the exit code it must have."""
        self._capsys.readouterr()
        group = command_line(self._commands, _unasked)
        assert run(group, ["--json", *arguments]) == code, self._capsys.readouterr()
        written, self.said = self._capsys.readouterr()
        lines = written.splitlines()
        return json.loads(lines[0]) if len(lines) == 1 else [json.loads(line) for line in lines]


@pytest.fixture
def person(cinelog: RunningStack) -> Iterator[Person]:
    with sign_up(cinelog.url) as somebody:
        yield somebody


def run_forked(
    command: tuple[str, ...], *, env: dict[str, str], **_options: object
) -> "subprocess.CompletedProcess[str]":
    """As ``subprocess.run`` of ``python -m module arguments…``, without the imports."""
    assert command[:2] == (sys.executable, "-m")
    return run_service(*command[2:], env=env, timeout=300)


@pytest.fixture
def cli(
    cinelog: RunningStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.setattr(subprocess, "run", run_forked)
    environment = tool_environment(cinelog.stack, "cli") | {
        "S3_ENDPOINT": cinelog.stack.urls.s3_endpoint,
        "S3_ACCESS_KEY": cinelog.stack.urls.s3_access_key,
        "S3_SECRET_KEY": cinelog.stack.urls.s3_secret_key,
        "S3_ARCHIVE_BUCKET": cinelog.stack.sources_bucket,
    }
    config = settings.load(OperatorSettings, environment)

    return Cli(lambda output: _with(tools(config, output), environment), capsys)


def _with(made: Any, environment: dict[str, str]) -> Any:
    return msgspec.structs.replace(made, environment=environment)


def test_the_log_is_shown_counted_and_checked(cli: Cli, person: Person) -> None:
    person.finish(job := person.upload(SMALL))
    story = cli("events", "show", f"transcode-{job}")
    assert [event["version"] for event in story] == list(range(1, len(story) + 1))
    assert story[0]["type"] == "TranscodePlanned"
    counts = {row["type"]: row["events"] for row in cli("events", "stats")}
    assert counts["VideoUploaded"] >= 1
    listed = cli("events", "tail", "--after", "0", "--no-follow")
    assert [event["position"] for event in listed] == list(range(1, len(listed) + 1))
    checked = cli("events", "verify")
    assert checked["problems"] == []
    assert checked["events"] >= len(listed)
    cli("events", "show", "video-nobody", code=1)


def caught_up(cli: Cli) -> bool:
    """Whether every read model has all events."""
    found = {row["projection"]: row for row in cli("projections", "status")}
    assert {"catalog.library", "transcoder.planner"} <= set(found)
    return all(row["behind"] == row["parked"] == 0 for row in found.values())


def test_read_models_are_shown_compared_and_made_anew(cli: Cli) -> None:
    until(lambda: caught_up(cli))
    compared = cli("projections", "rebuild", "catalog.library", "--verify")
    assert compared["differences"] == []
    assert not compared["swapped"]
    assert cli("projections", "rebuild", "catalog.library")["swapped"]
    compared = cli("projections", "rebuild", "transcoder.planner", "--verify")
    assert compared["differing"] == {"jobs": [], "tasks": []}
    for name in ("transcoder.planner", "ingest.doomed_sources", "ingest.usage"):
        assert cli("projections", "rebuild", name)["swapped"]
    # The leaders begin again, and go on where they were.
    until(lambda: caught_up(cli))


def test_a_dead_message_is_shown_handed_back_and_dropped(cinelog: RunningStack, cli: Cli) -> None:
    def bury(body: bytes) -> None:
        async def send() -> None:
            async with create_broker(cinelog.stack.urls.amqp) as broker:
                await broker.publish(body, queue="transcoder.urgent.dead", persist=True)

        run_async(send)

    def dead() -> list[dict[str, Any]]:
        listed = cli("dead-letters", "list")
        return [row for row in listed if row["where"] == "transcoder.urgent"]

    # A task that nobody knows: workers take it and find that there is nothing to do.
    bury(b'{"task_id":"nobody/1/plan","dispatch":1}')
    (letter,) = dead()
    assert letter["number"] == 1
    assert "nobody" in cli("dead-letters", "show", "transcoder.urgent", "1")["body"]
    assert cli("dead-letters", "redrive", "transcoder.urgent", "1") == {"redriven": 1}
    assert dead() == []
    bury(b"{}")
    assert cli("dead-letters", "drop", "transcoder.urgent", "1", "--yes") == {"dropped": 1}
    cli("dead-letters", "drop", "transcoder.urgent", "1", "--yes", code=1)
    for projection in PROJECTIONS:
        assert cli("dead-letters", "redrive", projection, "--parked")["left"] == 0


def test_a_job_is_shown_stopped_and_tried_again(cli: Cli, person: Person) -> None:
    job = person.upload(BIKES)
    until(lambda: person.job(job))
    cli("jobs", "cancel", job)
    until(lambda: cli("jobs", "show", job)["state"] == "cancelled")
    assert cli("jobs", "retry", job)["attempts"] == 2
    until(lambda: person.job(job).get("status") == "completed")
    cli("jobs", "retry", job, code=1)
    cli("jobs", "show", "nobody", code=1)


def test_lost_media_is_found_and_made_again(
    cinelog: RunningStack, cli: Cli, person: Person
) -> None:
    person.finish(job := person.upload(SMALL))
    until(lambda: cli("jobs", "show", job)["state"] == "completed")
    urls = cinelog.stack.urls

    async def lose() -> set[str]:
        async with s3_client(
            urls.s3_endpoint, urls.s3_region, urls.s3_access_key, urls.s3_secret_key
        ) as client:
            media = S3Store(client, cinelog.stack.media_bucket)
            keys = {blob.key async for blob in media.list(f"{job}/a1/")}
            lost = {key for key in keys if key.endswith((".mp4", ".webp"))}
            for key in lost:
                await media.delete(key)
            return lost

    assert run_async(lose)
    planned = [row for row in cli("reconcile", "--dry-run") if row["subject"] == job]
    assert [(row["action"], row["done"]) for row in planned] == [("remake", False)]
    done = [row for row in cli("reconcile") if row["subject"] == job]
    assert [(row["action"], row["done"]) for row in done] == [("remake", True)]
    until(
        lambda: (
            cli("events", "show", f"transcode-{job}")[-1]["type"]
            in ("MediaRestored", "MediaCompacted", "DownloadsMade")
        )
    )
    types = [event["type"] for event in cli("events", "show", f"transcode-{job}")]
    assert types.count("TranscodeCompleted") == types.count("MediaRestored") == 1
    assert person.plays(job)
    assert not [row for row in cli("reconcile", "--dry-run") if row["subject"] == job]


def test_a_changed_byte_is_found_by_a_scrub(
    cinelog: RunningStack, cli: Cli, person: Person
) -> None:
    person.finish(job := person.upload(SMALL))
    stack = cinelog.stack
    (images,) = [
        event["data"]
        for event in cli("events", "show", f"transcode-{job}")
        if event["type"] == "ThumbnailsCreated"
    ]
    poster = images["poster_key"]

    async def flip() -> None:
        urls = stack.urls
        async with s3_client(
            urls.s3_endpoint, urls.s3_region, urls.s3_access_key, urls.s3_secret_key
        ) as client:
            media = S3Store(client, stack.media_bucket)
            data = bytearray(await media.read(poster))
            data[-1] ^= 1
            await media.put(poster, bytes(data), "image/webp")

    assert cli("scrub", job) == []
    run_async(flip)
    found = cli("scrub", job, "--dry-run", code=1)
    assert (found["action"], found["subject"]) == ("remake", poster)
    # Which videos there are is read from the planner's tables.
    until(lambda: caught_up(cli))
    assert cli("scrub", code=1)["subject"] == poster
    until(
        lambda: (
            cli("events", "show", f"transcode-{job}")[-1]["type"]
            in ("MediaRestored", "MediaCompacted", "DownloadsMade")
        )
    )
    assert cli("scrub", job) == []


def test_a_scrub_that_ended_early_says_how_to_go_on(
    cli: Cli, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = {person.upload(SMALL), person.upload(SMALL)}
    for job in jobs:
        person.finish(job)
    until(lambda: caught_up(cli))
    cli("scrub")
    read: list[str] = []
    away_after = 1
    scrub_one = Services.scrub

    async def counted(services: Services, video: str, *, dry_run: bool) -> Any:
        if len(read) == away_after:
            raise CinelogError("the coordinator is away")
        read.append(video)
        return await scrub_one(services, video, dry_run=dry_run)

    monkeypatch.setattr(Services, "scrub", counted)
    cli("scrub", code=1)
    _, hint, since = cli.said.partition("To go on: cinelog scrub --since ")
    assert hint, cli.said
    first = read.copy()

    away_after = 1000
    cli("scrub", "--since", since.split()[0])
    assert len(set(read)) == len(read), "no video is read twice"
    assert jobs <= set(read)
    assert len(first) == 1


def test_a_deletion_is_listed_held_back_and_released(cli: Cli, person: Person) -> None:
    person.finish(job := person.upload(SMALL))
    for path in ("streaming", "users/me/bin"):
        person.client.delete(f"/api/v1/{path}/{job}").raise_for_status()
    until(lambda: len(cli("deletions", "list", job)) == 2)
    listed = cli("deletions", "list", job)
    assert {(row["bucket"], row["key"], row["reason"], row["held"]) for row in listed} == {
        ("media", f"{job}/", "deleted", False),
        ("sources", f"{job}/source", "deleted", False),
    }
    assert all(row["due_at"] > row["since"] for row in listed)
    assert cli("deletions", "hold", f"{job}/")["held"]
    assert {row["held"] for row in cli("deletions", "list", job)} == {True, False}
    cli("deletions", "hold", f"{job}/", code=1)
    cli("deletions", "release", f"{job}/")
    cli("deletions", "release", "nobody/", code=1)


def test_the_log_is_archived_and_the_archive_checked(cli: Cli, person: Person) -> None:
    person.upload(SMALL)
    until(lambda: cli("events", "verify")["unsequenced"] == 0)
    head = cli("archive", "run")
    assert head["last"] > 0
    ranges = cli("archive", "list")
    listed = ranges if isinstance(ranges, list) else [ranges]
    assert listed[-1]["last"] == head["last"]
    assert cli("archive", "verify")["flaws"] == []
    # This database's log has all that the archive has.
    assert cli("archive", "restore", "--yes")["events"] == 0


def test_what_accounts_use_is_shown_and_a_role_is_given(
    cinelog: RunningStack, cli: Cli, person: Person
) -> None:
    person.upload(SMALL)
    me = person.get("/api/v1/users/me")
    assert me is not None
    size = SMALL.stat().st_size

    def shown() -> bool:
        # Nothing is listed before the projection has seen the upload.
        found = cli("accounts", "usage", me["id"])
        return [row["bytes"] for row in found] == [size]

    until(shown)
    usage = person.get("/api/v1/users/me/usage")
    assert usage is not None
    assert usage["bytes"]["used"] == size
    assert cli("accounts", "role", me["id"], "trusted")["role"] == "trusted"
    more = person.get("/api/v1/users/me/usage")
    assert more is not None
    assert more["bytes"]["allowed"] == 10 * usage["bytes"]["allowed"]
    cli("accounts", "role", "nobody", "trusted", code=1)


def test_lives_are_listed_and_unknown_ones_are_not_ended(cli: Cli, person: Person) -> None:
    answer = person.client.post("/api/v1/live/streams", json={"title": "A race"})
    assert answer.status_code == 201, answer.text
    assert cli("live", "ls") == []
    unknown = "01a2049a-0000-7000-8000-000000000009"
    cli("live", "show", unknown, code=1)
    cli("live", "end", unknown, code=1)
    cli("live", "kick", "nothing", code=1)
