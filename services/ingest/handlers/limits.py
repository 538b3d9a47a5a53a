"""How large, how many and how long uploads may be."""

import msgspec

from shared.contracts import UploadProtocol


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """``max_bytes`` of one upload, ``at_once`` uploads in one process; lifetimes in seconds."""

    max_bytes: int
    at_once: int
    form_lifetime: float = 120.0
    resumable_lifetime: float = 24 * 3600.0

    def lifetime(self, protocol: UploadProtocol) -> float:
        """Seconds that an open upload lives after its last byte."""
        return self.form_lifetime if protocol == "multipart" else self.resumable_lifetime
