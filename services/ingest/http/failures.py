"""What the API document says of a route's failures."""

from collections.abc import Mapping

from litestar.openapi.datastructures import ResponseSpec

from shared.http.envelope import Failure


def failures(told: Mapping[int, str]) -> dict[int, ResponseSpec]:
    """A route's ``responses``: by status, in a sentence. Without made-up examples, which would
    need packages that images do not have."""
    return {
        status: ResponseSpec(Failure, description=sentence, generate_examples=False)
        for status, sentence in told.items()
    }
