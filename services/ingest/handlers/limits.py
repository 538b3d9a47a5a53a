"""How large, how many and how long uploads may be."""

import msgspec

from shared.contracts import UploadProtocol
from shared.pace import Pace


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """``max_bytes`` of one upload, ``at_once`` uploads in one process; lifetimes in seconds.

    Of a user's uploads, ``per_user`` are received at once. A body must arrive at
    ``min_bytes_per_second``, with pauses of ``slow_seconds`` at most.
    """

    max_bytes: int
    at_once: int
    per_user: int = 8
    min_bytes_per_second: int = 1024
    slow_seconds: float = 30.0
    form_lifetime: float = 120.0
    resumable_lifetime: float = 24 * 3600.0

    def pace(self) -> Pace:
        """The pace of a new body."""
        return Pace(self.min_bytes_per_second, self.slow_seconds)

    def lifetime(self, protocol: UploadProtocol) -> float:
        """Seconds that an open upload lives after its last byte."""
        return self.form_lifetime if protocol == "multipart" else self.resumable_lifetime
