"""Every process of Cinelog on one machine: how it is started, and what it waits for."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from deploy.local import checks
from deploy.local.database import ROOT, fingerprint, modules
from deploy.local.environments import Stack, environments, processes, tool_environment
from deploy.local.files import write_private
from deploy.local.forking import PYTHON
from deploy.local.process import Process, Step, Task
from deploy.needs import Needs

_MIGRATED, _BUCKETS_MADE = "migrated", "buckets"
_BUCKETS = (
    "S3_SOURCES_BUCKET",
    "S3_MEDIA_BUCKET",
    "S3_ARCHIVE_BUCKET",
    "CORS_ORIGINS",
    "PUBLIC_URL",
)


def steps(stack: Stack, after: frozenset[str] = frozenset()) -> tuple[Step, ...]:
    """Migrations, buckets and all services; ``after`` names the parts that they stand on."""
    env = environments(stack)
    if not stack.urls.s3_sync:
        after -= {"disk-sync"}
    return (
        Task("migrations", lambda: _migrate(stack), after & {"postgres"}),
        Task("buckets", lambda: _create_buckets(stack), after & {"seaweedfs"}),
        *(
            _service(stack, name, needs, env[name], after)
            for name, needs in processes(stack.workers).items()
        ),
    )


def programs(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The modules that processes run which can be forked, each once."""
    commands = (step.argv for step in steps if isinstance(step, Process))
    return tuple(dict.fromkeys(argv[2] for argv in commands if argv[:2] == PYTHON))


def _service(
    stack: Stack, name: str, needs: Needs, env: Mapping[str, str], after: frozenset[str]
) -> Process:
    port = stack.port if name == "gateway" else stack.ports[name]
    return Process(
        name=name,
        argv=(*PYTHON, *needs.command),
        folder=ROOT,
        env=env,
        ready=checks.serves(port, "/ready"),
        alive=checks.serves(port, "/health", patience=checks.ALIVE_PATIENCE),
        needs=_waits_for(needs.reached(archived=bool(stack.archive_bucket)), after),
        # A worker finishes its chunk or hands it back; an upload in flight may take a while.
        grace=30.0,
        front=name == "gateway",
    )


def _waits_for(reached: tuple[str, ...], after: frozenset[str]) -> frozenset[str]:
    """The steps that must be done or up before a process that connects to ``reached``.

    No process waits for RabbitMQ, the slowest to start: each service waits by itself, as it does
    when the broker goes away later.
    """
    found: frozenset[str] = frozenset()
    if "postgresql" in reached:
        found |= {"migrations"} | after & {"postgres"}
    if "s3" in reached:
        found |= {"buckets"} | after & {"seaweedfs", "disk-sync"}
    if "redis" in reached:
        found |= after & {"valkey"}
    return found


class PreparationFailed(Exception):
    """Database or buckets could not be prepared; the message is the last thing that was said."""


async def _migrate(stack: Stack) -> None:
    newest = fingerprint()
    if _is_done(stack.home / _MIGRATED, newest):
        return
    await _prepare(stack, "migrations", "shared.database.setup", *modules())
    write_private(stack.home / _MIGRATED, newest.encode())


async def _prepare(stack: Stack, tool: str, *command: str) -> None:
    """Run a tool to its end. Raises PreparationFailed."""
    setup = await asyncio.create_subprocess_exec(
        *(*PYTHON, *command),
        cwd=ROOT,
        env=tool_environment(stack, tool),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await setup.communicate()
    (stack.home / "logs" / f"{tool}.log").write_bytes(said)
    if setup.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise PreparationFailed(lines[-1] if lines else f"exit code {setup.returncode}")


async def _create_buckets(stack: Stack) -> None:
    env = tool_environment(stack, "buckets")
    wanted = "\n".join(f"{name}={env[name]}" for name in _BUCKETS if name in env)
    if _is_done(stack.home / _BUCKETS_MADE, wanted):
        return
    # Not here: what it imports would stay in the supervisor's memory.
    await _prepare(stack, "buckets", "shared.blobs.setup")
    write_private(stack.home / _BUCKETS_MADE, wanted.encode())


def forget_what_is_done(home: Path) -> None:
    """Migrate and make the buckets at the next start, whether that seems done or not."""
    for name in (_MIGRATED, _BUCKETS_MADE):
        (home / name).unlink(missing_ok=True)


def _is_done(note: Path, wanted: str) -> bool:
    """Whether the file notes that exactly this was done."""
    return note.exists() and note.read_bytes() == wanted.encode()
