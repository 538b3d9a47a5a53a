"""``/health`` (the process and its loops live) and ``/ready`` (its dependencies answer)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from shared.errors import Detail
from shared.http.envelope import Failure, Problem, Success
from shared.loops.progress import Progress
from shared.telemetry import current_trace_id, get_logger

Check = Callable[[], Awaitable[object]]
"""Returns if the dependency answers, raises if it does not."""

TIMEOUT: Final = 2.0
"""Seconds that a dependency has to answer."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    checks: dict[str, str]


def health_routes(
    checks: Mapping[str, Check],
    timeout: float = TIMEOUT,
    *,
    progress: Progress | None = None,
) -> list[HTTPRouteHandler]:
    """The two routes; ``checks`` are the named dependencies.

    ``/health`` is 503 while a loop of ``progress`` is stuck. It never depends on a dependency.
    """

    @get("/health", include_in_schema=False)
    async def health() -> Response[Success[Health] | Failure]:
        stuck = progress.stuck() if progress is not None else {}
        if not stuck:
            return Response(Success(data=Health(status="ok")))
        get_logger("http.health").error("loops are stuck", seconds=stuck)
        problem = Problem(
            code=503,
            type="loop_stuck",
            message="Not working: " + ", ".join(sorted(stuck)) + ".",
            trace_id=current_trace_id() or msgspec.UNSET,
        )
        return Response(Failure(error=problem), status_code=503)

    @get("/ready", include_in_schema=False)
    async def ready() -> Response[Success[Readiness] | Failure]:
        answers = await asyncio.gather(*(_answers(check, timeout) for check in checks.values()))
        failed = [
            (name, reason)
            for name, reason in zip(checks, answers, strict=True)
            if reason is not None
        ]
        if not failed:
            ok = dict.fromkeys(checks, "ok")
            return Response(Success(data=Readiness(status="ready", checks=ok)))
        get_logger("http.health").warning("not ready", failed=dict(failed))
        problem = Problem(
            code=503,
            type="not_ready",
            message="Not ready: " + ", ".join(name for name, _ in failed) + ".",
            details=tuple(Detail(field=name, message="does not answer") for name, _ in failed),
            trace_id=current_trace_id() or msgspec.UNSET,
        )
        return Response(Failure(error=problem), status_code=503, headers={"retry-after": "1"})

    return [health, ready]


async def _answers(check: Check, timeout: float) -> str | None:
    """None if the dependency answers in time, else the reason for the log."""
    try:
        async with asyncio.timeout(timeout):
            await check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
