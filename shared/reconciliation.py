"""Reports of a reconciliation: a service compares its log, tables, queues and buckets."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One discrepancy and the action that repairs it.

    ``action`` is a stable name; ``subject`` names the video, upload or object.
    """

    action: str
    subject: str
    detail: str = ""


class Scrubbed(msgspec.Struct, frozen=True, kw_only=True):
    """What the scrub of one video read and found.

    ``unknown``: the objects of which the log has no checksum.
    """

    video_id: str
    objects: int
    bytes: int
    unknown: int
    findings: tuple[Finding, ...] = ()


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """The discrepancies of one round. With ``dry_run`` they were not repaired."""

    service: str
    dry_run: bool
    findings: tuple[Finding, ...] = ()
