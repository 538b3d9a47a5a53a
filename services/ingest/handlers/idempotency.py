"""Idempotency-Key: the same key again leads to what its first request made."""

import contextlib
import re
from typing import Final

from services.ingest.handlers.steps import UploadSteps
from services.ingest.ports import Upload, UploadLost, UploadNotFound
from shared.errors import Conflict, InvalidInput

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


class KeyReused(Conflict):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"

    def __init__(self, used_for: str = "a different upload") -> None:
        super().__init__(f"This idempotency key was used for {used_for}.")


def checked_key(key: str | None) -> str | None:
    """An Idempotency-Key as it may be kept. Raises InvalidInput."""
    if key is None or _KEY.match(key):
        return key
    raise InvalidInput("The Idempotency-Key must have 1 to 255 visible ASCII characters.")


def require_same(earlier: Upload, fingerprint: str) -> None:
    """Raises KeyReused where the key's first request was another one."""
    if earlier.fingerprint != fingerprint:
        raise KeyReused


async def has_expired(steps: UploadSteps, earlier: Upload) -> bool:
    """Whether the key's first upload came to nothing. It is ended then, so that the key is free."""
    if not earlier.expired:
        return False
    await steps.ender.expire(earlier)
    return True


async def end_open(steps: UploadSteps, earlier: Upload) -> None:
    """End an upload if it is open: its client has given up, since it sends again."""
    with contextlib.suppress(UploadNotFound):
        try:
            taken = await steps.writers.acquire(earlier.id)
        except UploadLost:
            # Its process died, and the sweep has not come; unless it is not open any more.
            await steps.ender.expire(earlier)
        else:
            await steps.ender.abort(taken, "The client sent it again.")
