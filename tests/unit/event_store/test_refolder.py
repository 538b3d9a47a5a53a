"""Entities that cannot be folded together are folded one by one."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from sqlalchemy.exc import DBAPIError

from shared.event_store.projections.refold import Refolder


class Usage:
    """The name of a projection; nothing of it is folded here."""

    name = "usage"
    fold = 1
    ignored = ()


class Together(Refolder):
    """The database ends a transaction of more than one entity, as it does after 30 s."""

    def __init__(self, broken: str = "") -> None:
        nothing = cast(Any, None)
        super().__init__(nothing, nothing, cast(Any, Usage()), "ingest")
        self.broken = broken
        self.folded: list[str] = []

    async def _transact(self, entities: Sequence[str]) -> bool:
        if len(entities) > 1 or self.broken in entities:
            error = Exception("terminating connection due to transaction timeout")
            raise DBAPIError("select", {}, error, connection_invalidated=True)
        self.folded += entities
        return True


async def test_a_transaction_that_takes_too_long_becomes_smaller_ones() -> None:
    refolder = Together()
    await refolder._refold(["a", "b", "c"])
    assert refolder.folded == ["a", "b", "c"]


async def test_an_outage_ends_the_round() -> None:
    refolder = Together("b")
    with pytest.raises(DBAPIError):
        await refolder._refold(["a", "b", "c"])
    assert refolder.folded == ["a"]
