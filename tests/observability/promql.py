"""What a PromQL expression asks for."""

from collections.abc import Iterator
from typing import Any

import promql_parser

# What Grafana puts in before it asks.
_VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*"}


def metrics_of(expression: str) -> set[str]:
    """The metrics that an expression names. Raises ValueError where it does not parse."""
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    return set(_names(promql_parser.parse(expression)))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    elif isinstance(node, promql_parser.MatrixSelector):
        yield from _names(node.vector_selector)
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _names(node.lhs)
        yield from _names(node.rhs)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _names(argument)
    elif isinstance(node, promql_parser.NumberLiteral | promql_parser.StringLiteral):
        return
    else:
        # Aggregations, subqueries, parentheses and signs: one expression inside.
        yield from _names(node.expr)
