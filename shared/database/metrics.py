"""Spans of SQL statements, and metrics of connection pools."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import asyncpg
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from shared.telemetry import child_span, tracer

# In characters. Statements hold placeholders, never values; some are long.
_LONGEST: Final = 2000


def trace_statements(engine: AsyncEngine) -> None:
    """Start a span for each statement that runs inside a recorded span.

    The span is named by the statement's first word; its text is in ``db.query.text``.
    """
    # SQLAlchemy's listeners are untyped; its ``events.py`` describes their arguments.

    def begin(
        _conn: Any, _cursor: Any, statement: str, _params: Any, context: Any, _many: bool
    ) -> None:
        if not trace.get_current_span().is_recording():
            return
        context.cinelog_span = tracer().start_span(
            _name(statement), kind=SpanKind.CLIENT, attributes=_attributes(statement)
        )

    def end(
        _conn: Any, _cursor: Any, _statement: str, _params: Any, context: Any, _many: bool
    ) -> None:
        span = getattr(context, "cinelog_span", None)
        if span is not None:
            span.end()

    def fail(failure: Any) -> None:
        span = getattr(failure.execution_context, "cinelog_span", None)
        if span is not None:
            span.set_status(StatusCode.ERROR, type(failure.original_exception).__name__)
            span.end()

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)


def statement_span(statement: str) -> AbstractContextManager[Span]:
    """The same span around a statement that does not go through an engine."""
    if not trace.get_current_span().is_recording():
        return nullcontext(trace.get_current_span())
    return child_span(_name(statement), _attributes(statement), kind=SpanKind.CLIENT)


def watch_engine(registry: CollectorRegistry, engine: AsyncEngine) -> None:
    """Measure how many connections of the engine's pool are used, idle and allowed."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        raise TypeError("only engines of create_engine are measured")
    # ``create_engine`` allows as many overflow connections as pooled ones.
    _gauges(registry, "cinelog_db", pool.checkedout, pool.checkedin, lambda: 2 * pool.size())


def watch_pool(
    registry: CollectorRegistry, pool: "asyncpg.Pool[asyncpg.Record]", name: str
) -> None:
    """Measure a pool likewise: ``log``, that of the event log, ``reads`` or ``search``."""
    idle = pool.get_idle_size
    _gauges(registry, f"cinelog_{name}", lambda: pool.get_size() - idle(), idle, pool.get_max_size)


def _name(statement: str) -> str:
    verb = statement.split(None, 1)[0].lower()
    return f"sql {verb if verb.isalpha() else 'statement'}"


def _attributes(statement: str) -> dict[str, str]:
    return {
        "db.system.name": "postgresql",
        "db.query.text": " ".join(statement.split())[:_LONGEST],
    }


def _gauges(
    registry: CollectorRegistry,
    prefix: str,
    used: Callable[[], int],
    idle: Callable[[], int],
    maximum: Callable[[], int],
) -> None:
    connections = Gauge(
        f"{prefix}_connections", "Database connections, by state.", ("state",), registry=registry
    )
    connections.labels("used").set_function(used)
    connections.labels("idle").set_function(idle)
    Gauge(
        f"{prefix}_connections_max", "Database connections at most.", registry=registry
    ).set_function(maximum)
