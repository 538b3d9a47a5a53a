"""The disk on which segments wait while the storage is away, shared fairly by users."""

from collections import Counter
from typing import Final

# Bytes of all sessions of a process.
SPOOL_BYTES: Final = 3 << 30


class Spool:
    """How much disk the segments of this process take, all sessions together, in bytes.

    A user may have as much as is left: half of it alone, a third if another one has as much. So
    there is room for everybody who comes, whatever the others hold, and no share lies idle. This
    is a dynamic threshold (Choudhury and Hahne, "Dynamic Queue Length Thresholds for
    Shared-Memory Packet Switches", 1998) with its factor at 1.
    """

    def __init__(self, most: int = SPOOL_BYTES) -> None:
        self._most = most
        self._by_user: Counter[str] = Counter()

    @property
    def used(self) -> int:
        return self._by_user.total()

    def share(self, user_id: str) -> "Share":
        """What one user's sessions take it from."""
        return Share(self, user_id)

    def take(self, user_id: str, size: int) -> bool:
        """Whether there was room."""
        if self._by_user[user_id] + size > self._most - self.used:
            return False
        self._by_user[user_id] += size
        return True

    def give_back(self, user_id: str, size: int) -> None:
        self._by_user[user_id] -= size
        if not self._by_user[user_id]:
            del self._by_user[user_id]


class Share:
    """One user's part of a spool."""

    def __init__(self, spool: Spool, user_id: str) -> None:
        self._spool = spool
        self._user_id = user_id

    def take(self, size: int) -> bool:
        """Whether there was room."""
        return self._spool.take(self._user_id, size)

    def give_back(self, size: int) -> None:
        self._spool.give_back(self._user_id, size)
