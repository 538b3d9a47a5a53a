"""Starts steps when what they need is up, restarts what ends or freezes, stops all in reverse."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from deploy.local.process import Process, Step, all_needs, in_order
from deploy.local.running import (
    Running,
    ending,
    kill_all_of_it,
    launch,
    put_aside,
    put_long_logs_aside,
)

State = Literal["waiting", "starting", "up", "done", "restarting", "failed", "stopped"]

_FIRST_POLL, _LONGEST_POLL = 0.05, 0.4
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STEADY_AFTER = 30.0
_UNWATCHED_POLL = 1.0
# One that is well is looked at less often than one that has just missed a look.
_WELL = 3
_LOG_SECONDS = 60.0


class Status(Struct):
    """Where one step stands."""

    name: str
    state: State = "waiting"
    pid: int | None = None
    started_at: float | None = None
    """When that process started, in Unix time."""
    restarts: int = 0
    seconds_to_start: float | None = None
    reason: str = ""


class StepFailed(Exception):
    """A step could not be brought up; the message says which and why."""


class Supervisor:
    """Runs steps. ``changed`` is called whenever a status changes."""

    def __init__(
        self,
        steps: Sequence[Step],
        logs: Path,
        changed: Callable[[list[Status]], None] = lambda _: None,
        *,
        patience: float = 120.0,
        longest_pause: float = _LONGEST_PAUSE,
        probe_seconds: float | None = None,
        log_seconds: float = _LOG_SECONDS,
        launch: Callable[[Process, Path], Awaitable[Running]] = launch,
    ) -> None:
        """``patience`` is how many seconds a process may take until it is ready at first,
        ``longest_pause`` how many pass at most before one that keeps ending is started again,
        ``probe_seconds`` how many between two looks whether one still works that did not answer or
        is not up yet, a third of those at one that is well (None: no looks),
        ``log_seconds`` how many between two looks how long the logs are.
        """
        self._steps = in_order(tuple(steps))
        self._logs = logs
        self._changed = changed
        self._patience = patience
        self._longest_pause = longest_pause
        self._probe_seconds = probe_seconds
        self._log_seconds = log_seconds
        self._start_process = launch
        self._status = {step.name: Status(step.name) for step in self._steps}
        self._up = {step.name: asyncio.Event() for step in self._steps}
        self._running: dict[str, Running] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._tidying: asyncio.Task[None] | None = None

    @property
    def statuses(self) -> list[Status]:
        """Every step's status, in start order."""
        return list(self._status.values())

    async def start(self) -> None:
        """Bring every step up; raises StepFailed for the first that does not come up."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._tidying = asyncio.create_task(self._keep_logs_short())
        starts = [asyncio.create_task(self._start(step)) for step in self._steps]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise

    async def stop(self) -> None:
        """Stop all: the last started first, each with its signal, then SIGKILL after its grace."""
        tasks = [*self._keepers.values(), *([self._tidying] if self._tidying else [])]
        await _cancel(*tasks)
        remaining = {step.name: step for step in self._steps if isinstance(step, Process)}
        fronts = [step for step in remaining.values() if step.front]
        await asyncio.gather(*(self._stop(step) for step in fronts))
        for step in fronts:
            del remaining[step.name]
        needs = all_needs(self._steps)
        while remaining:
            needed = {need for name in remaining for need in needs[name]}
            layer = [step for name, step in remaining.items() if name not in needed]
            await asyncio.gather(*(self._stop(step) for step in layer))
            for step in layer:
                del remaining[step.name]

    async def _start(self, step: Step) -> None:
        for need in step.needs:
            await self._up[need].wait()
        began = time.monotonic()
        self._set(step.name, "starting")
        reason = ""
        if isinstance(step, Process):
            reason = await self._bring_up(step)
            self._keepers[step.name] = asyncio.create_task(self._keep(step))
        else:
            try:
                await step.run()
            except Exception as error:
                reason = str(error) or type(error).__name__
                self._set(step.name, "failed", reason=reason)
                raise StepFailed(f"{step.name}: {reason}") from error
        self._status[step.name].seconds_to_start = time.monotonic() - began
        self._set(step.name, "up" if isinstance(step, Process) else "done", reason=reason)
        self._up[step.name].set()

    async def _bring_up(self, process: Process) -> str:
        """Launch it until it is ready; returns what was wrong with its state, if anything."""
        await self._launch(process)
        try:
            async with asyncio.timeout(self._patience):
                try:
                    await self._until_ready(process)
                except StepFailed as failure:
                    aside = put_aside(process.expendable)
                    if aside is None:
                        raise
                    await self._launch(process)
                    await self._until_ready(process)
                    return f"{failure}; it was started without its state, which is kept in {aside}"
        except (StepFailed, TimeoutError) as error:
            reason = str(error) or f"{process.name} was not ready after {self._patience:.0f} s"
            self._set(process.name, "failed", reason=reason)
            raise StepFailed(reason) from error
        return ""

    async def _launch(self, process: Process) -> None:
        self._running[process.name] = await self._start_process(process, self._logs)
        self._status[process.name].pid = self._running[process.name].pid
        self._status[process.name].started_at = time.time()
        self._tell()

    async def _until_ready(self, process: Process) -> None:
        """Return when it is ready; raises StepFailed where it ends before that."""
        ended = asyncio.create_task(self._running[process.name].wait())
        pause = _FIRST_POLL
        try:
            while not await process.ready():
                await asyncio.wait({ended}, timeout=pause)
                if ended.done():
                    raise StepFailed(
                        f"{process.name} ended with {ending(ended.result())} while starting"
                    )
                pause = min(pause * 1.5, _LONGEST_POLL)
        finally:
            await _cancel(ended)

    async def _keep(self, process: Process) -> None:
        """Start it again whenever it ends or stays silent, after longer and longer pauses."""
        pause = _FIRST_PAUSE
        while True:
            since = time.monotonic()
            reason = await self._until_over(process)
            running = self._running[process.name]
            kill_all_of_it(running)
            await running.wait()
            if time.monotonic() - since > _STEADY_AFTER:
                pause = _FIRST_PAUSE
            status = self._status[process.name]
            status.restarts += 1
            status.pid = None
            self._set(process.name, "restarting", reason=reason)
            pause = await self._launch_again(process, pause)

    async def _launch_again(self, process: Process, pause: float) -> float:
        """Launch it after so many seconds; returns how many it should be the next time."""
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._longest_pause)
            try:
                await self._launch(process)
            except OSError as error:
                self._set(process.name, "restarting", reason=f"could not be launched: {error}")
            else:
                return pause

    async def _until_over(self, process: Process) -> str:
        """Return when it has ended or was silent for too long, with which of the two."""
        ended = asyncio.create_task(self._running[process.name].wait())
        silent = asyncio.create_task(self._until_silent(process))
        try:
            await asyncio.wait({ended, silent}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return f"ended with {ending(ended.result())}"
            silent.result()
            return f"did not answer {process.misses} times"
        finally:
            await _cancel(ended, silent)

    async def _until_silent(self, process: Process) -> None:
        """Return when it has missed too many probes. It counts as up once it is ready again."""
        status = self._status[process.name]
        if status.state != "up":
            with contextlib.suppress(StepFailed, TimeoutError):
                async with asyncio.timeout(self._patience):
                    await self._until_ready(process)
        misses = 0
        while misses < process.misses:
            if status.state != "up" and await process.ready():
                self._set(process.name, "up", reason=status.reason)
            well = status.state == "up" and not misses
            await asyncio.sleep((self._probe_seconds or _UNWATCHED_POLL) * (_WELL if well else 1))
            if self._probe_seconds is not None and process.alive is not None:
                misses = 0 if await process.alive() else misses + 1

    async def _stop(self, step: Process) -> None:
        running = self._running.get(step.name)
        if running is None:
            self._set(step.name, "stopped")
            return
        if running.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(step.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(step.grace):
                    await running.wait()
        kill_all_of_it(running)
        await running.wait()
        self._status[step.name].pid = None
        self._set(step.name, "stopped")

    def _set(self, name: str, state: State, *, reason: str = "") -> None:
        if self._status[name].state == "failed" and state == "stopped":
            return  # why it is not running is worth more than that it is not
        self._status[name].state = state
        self._status[name].reason = reason
        self._tell()

    def _tell(self) -> None:
        """Report the statuses. A full disk, which takes no report, must end no keeper."""
        try:
            self._changed(self.statuses)
        except OSError as error:
            print(f"the status could not be written: {error}", flush=True)

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.to_thread(put_long_logs_aside, self._logs)
            await asyncio.sleep(self._log_seconds)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their ends, so that a probe closes its connection."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
