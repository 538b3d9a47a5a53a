"""The header with which a client says that two requests are one and the same."""

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
