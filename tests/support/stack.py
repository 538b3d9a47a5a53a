"""All of Cinelog's processes, started from their entry points, for tests from the outside."""

import asyncio
import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from deploy.local import ports
from deploy.local.environments import Stack, port_names, secret_names
from deploy.local.parts import READY, Urls
from deploy.local.process import Process, Step
from deploy.local.running import Running, launch
from deploy.local.stack import forget_what_is_done, steps
from deploy.local.state import Home
from deploy.local.supervisor import Status, Supervisor
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database, passwords
from tests.support.forked import launch_forked
from tests.support.images import as_asked

# As many requests as a test likes; what limits do has tests of its own.
GENEROUS = {
    "RATE_LIMIT_GENERAL": "1000/s burst 5000",
    "RATE_LIMIT_AUTH": "1000/s burst 5000",
    "RATE_LIMIT_MEDIA": "1000/s burst 5000",
    "RATE_LIMIT_MISSES": "1000/s burst 5000",
    "LOGIN_BURST": "1000",
}


class RunningStack:
    """Every service, supervised from a thread of its own; restarted when killed.

    ``parts`` are supervised too, where they are the stack's own. With ``probe_seconds`` silent
    processes are restarted too, as ``make up`` does.
    """

    def __init__(
        self,
        stack: Stack,
        parts: tuple[Step, ...] = (),
        *,
        longest_pause: float = 30.0,
        probe_seconds: float | None = None,
    ) -> None:
        self.stack = stack
        self.url = f"http://127.0.0.1:{stack.port}"
        services = as_asked(steps(stack, READY if parts else frozenset()))
        self._steps = {step.name: step for step in (*parts, *services)}
        self._longest_pause = longest_pause
        self._probe_seconds = probe_seconds
        self._elsewhere: dict[str, Path] = {}
        self._supervisor = self._supervise()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.stack.home / "logs"

    def start(self) -> None:
        """Return when all of them are ready; raises StepFailed with the log of who is not."""
        self._thread.start()
        try:
            self._call(self._supervisor.start())
        except BaseException as error:
            error.add_note(self.all_logs())
            raise

    def stop(self) -> None:
        """As ``make down`` does."""
        self._call(self._supervisor.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start_again(self, meanwhile: Callable[[], None]) -> None:
        """``kill -9`` everything at the same moment; start it all after ``meanwhile``.

        Raises StepFailed as ``start`` does.
        """
        for status in self.statuses:
            if status.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(status.pid, signal.SIGKILL)
        self._call(self._supervisor.stop())
        meanwhile()
        # As ``make up`` does where it was not stopped.
        forget_what_is_done(self.stack.home)
        self._supervisor = self._supervise()
        self._call(self._supervisor.start())

    def kill(self, name: str) -> int:
        """``kill -9`` one process, such as ``worker-1``; returns the pid it had."""
        return self.signal(name, signal.SIGKILL)

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to one process; returns its pid. Raises LookupError where it is down."""
        pid = self.status(name).pid
        if pid is None:
            raise LookupError(f"{name} is not running")
        os.kill(pid, number)
        return pid

    def restart_with(self, name: str, **environment: str) -> int:
        """``kill -9`` one process, which comes back with these variables; returns its pid."""
        # The supervisor reads it whenever it starts the process.
        self.environment(name).update(environment)
        return self.kill(name)

    def run_code_in(self, name: str, folder: Path | None) -> None:
        """From its next start on, a service is of the packages in ``folder``; None: of ours."""
        if folder is None:
            self._elsewhere.pop(name, None)
        else:
            self._elsewhere[name] = folder

    def environment(self, name: str) -> dict[str, str]:
        """What a process is started with."""
        step = self._steps[name]
        assert isinstance(step, Process)
        return cast(dict[str, str], step.env)

    @property
    def statuses(self) -> list[Status]:
        """Where every step stands."""
        return self._supervisor.statuses

    def status(self, name: str) -> Status:
        """Where one process stands."""
        return next(status for status in self._supervisor.statuses if status.name == name)

    def is_back(self, name: str, killed: int | None) -> bool:
        """Whether a process that was killed is ready again."""
        status = self.status(name)
        return status.state == "up" and status.pid != killed

    def all_logs(self, lines: int = 20) -> str:
        """The last lines of every log."""
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
            for log in sorted(self.logs.glob("*.log"))
        )

    def _supervise(self) -> Supervisor:
        return Supervisor(
            tuple(self._steps.values()),
            self.logs,
            longest_pause=self._longest_pause,
            probe_seconds=self._probe_seconds,
            launch=self._launch,
        )

    async def _launch(self, process: Process, logs: Path) -> Running:
        folder = self._elsewhere.get(process.name)
        if folder is None:
            return await launch_forked(process, logs)
        return await launch(msgspec.structs.replace(process, folder=folder), logs)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def running_stack(
    urls: Urls,
    database: Database,
    broker: Broker,
    redis_url: str,
    buckets: Buckets,
    workers: int,
    *,
    archive_bucket: str = "",
    **options: str,
) -> Iterator[RunningStack]:
    """The whole of Cinelog in corners of the given parts; ``options`` are further variables."""
    with tempfile.TemporaryDirectory(prefix="cinelog-stack-") as folder:
        home = Home(Path(folder))
        roles = passwords(database.admin_url)
        chosen = ports.choose(("gateway", *port_names(workers)), {})
        secrets = home.secrets(secret_names()) | {f"role_password_{r}": roles[r] for r in roles}
        stack = RunningStack(
            Stack(
                home=home.folder,
                urls=msgspec.structs.replace(
                    urls, postgres=database.admin_url, amqp=broker.amqp_url, redis=redis_url
                ),
                port=chosen["gateway"],
                ports=chosen,
                secrets=secrets,
                workers=workers,
                sources_bucket=buckets.sources,
                media_bucket=buckets.media,
                archive_bucket=archive_bucket,
                options=GENEROUS | options,
            )
        )
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
