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


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of a round found. The rest begins after ``place``; None at the round's end."""

    findings: tuple[Finding, ...] = ()
    place: str | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """The discrepancies of a round or a part of it. With ``dry_run`` they were not repaired.

    The rest of the round begins after ``place``; None at its end.
    """

    service: str
    dry_run: bool
    findings: tuple[Finding, ...] = ()
    place: str | None = None
