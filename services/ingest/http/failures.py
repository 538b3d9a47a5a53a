"""Failures of a route, for the API document."""

from collections.abc import Mapping

from litestar.openapi.datastructures import ResponseSpec

from shared.http.envelope import Failure


def failures(described: Mapping[int, str]) -> dict[int, ResponseSpec]:
    """A route's ``responses``: a sentence per status. Without invented examples, which would need
    packages that images do not have."""
    return {
        status: ResponseSpec(Failure, description=sentence, generate_examples=False)
        for status, sentence in described.items()
    }
