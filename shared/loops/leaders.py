"""Every elected leader of the product, and the advisory lock that elects it."""

from enum import StrEnum


class Leader(StrEnum):
    """The value is the label ``leader`` of the metric ``cinelog_leader`` and of its alert."""

    RELAY = "relay"
    ARCHIVER = "archiver"
    COORDINATOR = "coordinator"
    PROJECTOR = "projector"
    INGEST = "ingest"
    LIVE = "live"
    RECONCILER = "reconciler"

    @property
    def lock(self) -> str:
        """The name of the advisory lock. Older releases use the same: never change one."""
        return _LOCKS[self]


_LOCKS = {
    Leader.RELAY: "cinelog.relay",
    Leader.ARCHIVER: "cinelog.archive",
    Leader.COORDINATOR: "transcoder.planner",
    Leader.PROJECTOR: "projection catalog.library",
    Leader.INGEST: "ingest.background",
    Leader.LIVE: "live.sessions",
    Leader.RECONCILER: "operator.reconciler",
}
