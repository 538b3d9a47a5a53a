"""What each fold makes of the golden events, and digests of its code: what a version pins."""

import ast
import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_args

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog import rows as catalog_rows
from services.catalog.read_model import (
    folding,
    live_folding,
    public_events,
    terms,
    text_analysis,
    transcode_folding,
)
from services.catalog.read_model import projections as library
from services.catalog.tables import READ_MODELS
from services.ingest import live_usage, usage_projection
from services.transcoder import projections as planner
from services.transcoder.planning import plan
from shared import text_rules
from shared.contracts import (
    CATEGORY_EVENTS,
    EVENT_TYPES,
    SCHEMA_VERSIONS,
    Category,
    Event,
    stream_id,
)
from shared.event_store.store import SequencedEvent
from shared.event_store.upcast import read_event
from tests.support.sequenced import sequenced

GOLDEN: Final = Path(__file__).parent / "golden"
PINS: Final = Path(__file__).parent / "folds"
# They end an entity: what follows them changes nothing.
_LAST: Final = ("VideoDeleted", "UserDeleted", "LiveStreamDeleted")
# When something is to be done, and how often it was, is not of the log.
_VOLATILE: Final = {"clean_at", "compact_at", "drop_at", "place"}


class Fold(msgspec.Struct, frozen=True):
    """A projection that can be folded again, its tables, and the modules that make its rows."""

    projection: Any
    schema: str
    tables: Sequence[Table]
    modules: Sequence[ModuleType]

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.projection.name}"


FOLDS: Final = (
    Fold(
        library.Library(),
        "catalog",
        READ_MODELS,
        (
            *(folding, live_folding, transcode_folding, public_events, terms, text_analysis),
            *(library, catalog_rows, text_rules),
        ),
    ),
    Fold(
        planner.JobProjection(),
        "transcoder",
        [each.table for each in planner.REPLAYED_TABLES],
        (planner, plan),
    ),
    Fold(
        usage_projection.StoredUsage(),
        "ingest",
        [each.table for each in usage_projection.REPLAYED_TABLES],
        (usage_projection, live_usage),
    ),
)


class Pin(msgspec.Struct, frozen=True):
    """What is pinned of a version. ``rows``: after each golden event, a digest of all rows."""

    fold: int
    code: str
    rows: dict[str, str]


def pinned(fold: Fold) -> Pin | None:
    """The pin that is written down, if there is one."""
    path = PINS / f"{fold.name}.json"
    return msgspec.json.decode(path.read_bytes(), type=Pin) if path.exists() else None


def write_pin(fold: Fold, pin: Pin) -> None:
    """Write a pin down."""
    PINS.mkdir(exist_ok=True)
    (PINS / f"{fold.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(pin)) + b"\n")


async def present(fold: Fold, connection: AsyncConnection) -> Pin:
    """What would be pinned now. The connection's tables are empty."""
    rows = {
        f"{event.position} {event.type}": digest
        async for event, digest in _digests(fold, connection)
    }
    return Pin(fold.projection.fold, code_digest(fold.modules), rows)


async def _digests(
    fold: Fold, connection: AsyncConnection
) -> AsyncIterator[tuple[SequencedEvent, str]]:
    # Today: minutes of days that are over are forgotten.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # As a day, or in its first minutes: a golden event that names this date by chance stays.
    dated = re.compile(rf'{today.date().isoformat()}(?=T00:0|")')
    for event in golden_events(today):
        await fold.projection.apply(connection, [event])
        found: dict[str, list[str]] = {}
        for table in fold.tables:
            columns = ", ".join(c.name for c in table.columns if c.name not in _VOLATILE)
            result = await connection.execute(
                text(f"select to_jsonb(t)::text from (select {columns} from {table.fullname}) t")
            )
            found[str(table.name)] = sorted(dated.sub("today", row) for row in result.scalars())
        yield event, hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def golden_events(at: datetime) -> list[SequencedEvent]:
    """The newest golden event of each type, as one history."""
    category: dict[type[Event], Category] = {
        kind: name for name in get_args(Category) for kind in CATEGORY_EVENTS[name]
    }
    names = sorted(EVENT_TYPES, key=lambda name: name in _LAST)
    facts: list[tuple[str, Event]] = []
    for name in names:
        version = SCHEMA_VERSIONS[name]
        written = (GOLDEN / f"{name}.v{version}.json").read_text()
        event = read_event(name, version, written)
        of = category[EVENT_TYPES[name]]
        field = {"user": "user_id", "live": "live_id"}.get(of, "video_id")
        facts.append((stream_id(of, getattr(event, field)), event))
    return sequenced(facts, at, apart=timedelta(seconds=1))


def code_digest(modules: Sequence[ModuleType]) -> str:
    """A digest of what modules do: neither comments nor docstrings nor layout change it."""
    digest = hashlib.sha256()
    for module in modules:
        tree = ast.parse(Path(str(module.__file__)).read_text())
        digest.update(json.dumps(_shape(tree)).encode())
    return digest.hexdigest()[:16]


def _shape(node: Any) -> Any:
    """A syntax tree as lists, the same in every version of Python. Versions of folds are left
    out: they are pinned beside."""
    if isinstance(node, list):
        return [_shape(each) for each in node if not _is_remark(each)]
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FOLD":
        return "version"
    if isinstance(node, ast.AST):
        fields = {name: _shape(value) for name, value in ast.iter_fields(node)}
        return [type(node).__name__, {name: v for name, v in fields.items() if v not in (None, [])}]
    return repr(node) if node is not None else None


def _is_remark(node: Any) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
