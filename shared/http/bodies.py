"""Requests whose JSON has one reading.

Of two values for one key, some programs take the first and some the last. A body that says a thing
twice is refused, so that whoever looks at it on its way sees what the service sees.
"""

import json
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State

from shared.errors import Detail, InvalidInput
from shared.text_rules import without_unprintable

_LONGEST_NAME: Final = 40


class OneReading(Request[Any, Any, State]):
    """A request that refuses a key that an object has twice."""

    async def json(self) -> Any:
        """The body. Raises InvalidInput, which names the key."""
        refuse_repeated_keys(await self.body())
        return await super().json()


def refuse_repeated_keys(body: bytes) -> None:
    """Raises InvalidInput for a key that an object has twice, at any depth.

    What is no JSON is left to the parser that reads the body.
    """
    try:
        json.loads(body, object_pairs_hook=_different, parse_int=len, parse_float=len)
    except InvalidInput:
        raise
    except (ValueError, RecursionError):
        return


def _different(pairs: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            shown = without_unprintable(name)[:_LONGEST_NAME]
            raise InvalidInput("The request is not valid.", [Detail(shown, "is there twice")])
        names.add(name)
