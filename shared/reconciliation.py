"""What a service finds wrong when it compares its log, tables, queues and buckets."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be, and what is done about it.

    ``action`` is a stable name; ``subject`` the video, upload or object that it is about.
    """

    action: str
    subject: str
    detail: str = ""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What one round found. ``dry_run``: nothing was done about it."""

    service: str
    dry_run: bool
    findings: tuple[Finding, ...] = ()
