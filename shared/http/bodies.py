"""Requests whose JSON has one reading, and holds no text that cannot be stored.

Of two values for one key, some programs take the first and some the last. A body that says a thing
twice is refused, so that whoever looks at it on its way sees what the service sees. NUL is in no
text: PostgreSQL can neither store it nor compare with it.
"""

import json
from typing import Any, Final, cast

from litestar import Request
from litestar.datastructures import State

from shared.errors import Detail, InvalidInput
from shared.text_rules import without_unprintable

_LONGEST_NAME: Final = 40


class OneReading(Request[Any, Any, State]):
    """A request that refuses a key that an object has twice, and NUL."""

    async def json(self) -> Any:
        """The body. Raises InvalidInput, which names the key."""
        refuse_ambiguous(await self.body())
        return await super().json()


def refuse_ambiguous(body: bytes) -> None:
    """Raises InvalidInput for a key that an object has twice, or NUL in one of its texts.

    At any depth. What is no JSON is left to the parser that reads the body.
    """
    try:
        json.loads(body, object_pairs_hook=_check, parse_int=len, parse_float=len)
    except InvalidInput:
        raise
    except (ValueError, RecursionError):
        return


def _check(pairs: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, value in pairs:
        if name in names:
            raise _refused(name, "is there twice")
        names.add(name)
        texts = cast("list[Any]", value) if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise _refused(name, "holds NUL, which no text may")


def _refused(name: str, reason: str) -> InvalidInput:
    shown = without_unprintable(name)[:_LONGEST_NAME]
    return InvalidInput("The request is not valid.", [Detail(shown, reason)])
