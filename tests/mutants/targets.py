"""What is mutated, and which tests are to notice it."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]


class Target(msgspec.Struct, frozen=True):
    """Modules, as patterns from the root on, and the tests for them; ``functions`` if not all."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        found = {path for pattern in self.modules for path in ROOT.glob(pattern)}
        return sorted(str(path.relative_to(ROOT)) for path in found if path.stem != "__init__")


TARGETS: Final = (
    Target(("services/auth/domain.py",), ("tests/unit/auth",)),
    Target(("services/ingest/domain.py",), ("tests/unit/ingest",)),
    Target(
        ("services/catalog/domain.py", "services/catalog/read_model/text_analysis.py"),
        ("tests/unit/catalog",),
    ),
    Target(
        (
            "services/transcoder/domain/*.py",
            "services/transcoder/manifests/*.py",
            "services/transcoder/planning/*.py",
        ),
        ("tests/unit/transcoder",),
    ),
    Target(
        ("services/transcoder/worker/task_video.py",),
        ("tests/unit/transcoder/test_transcoder_video_check.py",),
        functions=("cut", "check", "damaged"),
    ),
    Target(
        ("services/transcoder/scheduler/*.py",),
        (
            "tests/integration/transcoder/test_transcoder_claims.py",
            "tests/integration/transcoder/test_transcoder_leases.py",
            "tests/integration/transcoder/test_transcoder_lost_messages.py",
            "tests/integration/transcoder/test_transcoder_scheduler.py",
        ),
    ),
    Target(
        (
            "shared/event_store/decider.py",
            "shared/event_store/group_commit.py",
            "shared/event_store/memory.py",
            "shared/event_store/postgres.py",
            "shared/event_store/sequencer.py",
            "shared/event_store/serialization.py",
            "shared/event_store/store.py",
            "shared/event_store/upcast.py",
        ),
        (
            "tests/unit/event_store",
            "tests/contract/test_event_store.py",
            "tests/integration/event_store/test_sequencer.py",
            "tests/integration/event_store/test_sequencer_leaders.py",
            "tests/integration/event_store/test_group_commit.py",
        ),
    ),
    Target(
        (
            "shared/event_store/projections/checkpoint_watcher.py",
            "shared/event_store/projections/event_applier.py",
            "shared/event_store/projections/parking.py",
            "shared/event_store/projections/projection.py",
            "shared/event_store/projections/projection_tables.py",
        ),
        (
            "tests/unit/event_store/test_contiguous.py",
            "tests/integration/event_store/test_event_applier.py",
            "tests/integration/event_store/test_projection.py",
            "tests/integration/event_store/test_parking.py",
        ),
    ),
    Target(
        ("shared/event_store/archive/archive_format.py",),
        ("tests/unit/event_store/test_archive_format.py",),
    ),
)


def chosen(patterns: list[str]) -> list[Target]:
    """The targets whose modules match one of ``patterns``, each with those modules only."""
    if not patterns:
        return list(TARGETS)
    found: list[Target] = []
    for target in TARGETS:
        modules = tuple(p for p in target.paths if any(fnmatch(p, f"*{x}*") for x in patterns))
        if modules:
            found.append(msgspec.structs.replace(target, modules=modules))
    return found
