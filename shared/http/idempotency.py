"""The Idempotency-Key header: requests with the same key have the effect of one."""

from typing import Annotated

from litestar.params import HeaderParameter

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="idempotency-key",
        min_length=1,
        max_length=255,
        description="The same key again leads to what the first request made, not to another one.",
    ),
]
