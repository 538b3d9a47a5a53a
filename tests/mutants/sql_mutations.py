"""Small changes to an SQL statement that a test should notice."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

_STATEMENT: Final = re.compile(r"\s*\(?\s*(?:with|select|insert|update|delete)\b", re.IGNORECASE)
_WORDS: Final = {
    "=": "<>",
    "<>": "=",
    "is null": "is not null",
    "is not null": "is null",
    "greatest": "least",
    "least": "greatest",
    "max": "min",
    "min": "max",
    "desc": "",
    "union all": "except",
    "exists": "not exists",
}
_BORDERS: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TOKEN: Final = re.compile(
    r"'[^']*'|=>|:\w+|\$\d+|--[^\n]*"
    r"|\bis\s+not\s+null\b|\bis\s+null\b|\bunion\s+all\b"
    r"|\b[a-z_]\w*\b(?:\.\w+)*|::\w+(?:\[\])?|\d+(?:\.\d+)?|<=|>=|<>|[<>=+*/()-]|,",
    re.IGNORECASE,
)
_CLOCKS: Final = {"now", "clock_timestamp", "current_timestamp", "statement_timestamp"}
# What begins a list of conditions, and what ends one.
_CONDITION: Final = {"where", "on", "and", "or", "when", "having", "using"}
_CLAUSE: Final = {
    *("set", "select", "values", "returning", "from", "order", "group", "limit", "for", "then"),
    *("else", "end", "with", "join", "left", "update", "union all", "do", "conflict"),
}


class SqlMutation(msgspec.Struct, frozen=True):
    """Characters ``start`` to ``end`` of the statement become ``new``."""

    start: int
    end: int
    new: str


def is_statement(value: str) -> bool:
    """Whether a string is SQL: it begins like a statement and has more than one word."""
    return bool(_STATEMENT.match(value)) and " " in value.strip()


def mutations(sql: str) -> Iterator[SqlMutation]:
    """Comparisons moved or turned round, numbers off by one, terms of AND and OR left out."""
    tokens = [(match.group().lower(), match.start(), match.end()) for match in _TOKEN.finditer(sql)]
    clause: list[str] = ["select"]
    for place, (text, start, end) in enumerate(tokens):
        word = re.sub(r"\s+", " ", text)
        if word == "(":
            clause.append(clause[-1])
        elif word == ")":
            if len(clause) > 1:
                clause.pop()
        elif word in _CONDITION | _CLAUSE:
            clause[-1] = word
        # An assignment is not a comparison.
        if word in _WORDS and not (word == "=" and clause[-1] not in _CONDITION):
            yield SqlMutation(start, end, _WORDS[word])
        elif word in _BORDERS:
            # No test meets the one instant at which "before" and "not after" differ.
            timed = any(token[0] in _CLOCKS for token in tokens[place + 1 : place + 3])
            yield SqlMutation(start, end, (_TURNED if timed else _BORDERS)[word])
        elif word in {"+", "-"}:
            yield SqlMutation(start, end, "-" if word == "+" else "+")
        elif word.isdigit() and tokens[place - 1][0] != "select":
            yield SqlMutation(start, end, str(int(word) + 1))
    yield from _terms_left_out(tokens)


def _terms_left_out(tokens: list[tuple[str, int, int]]) -> Iterator[SqlMutation]:
    for place, (word, _, _) in enumerate(tokens):
        before = tokens[place - 1][0] if place else ""
        nested = word == "(" and before in _CONDITION | {"("}
        if word not in {"where", "and", "or", "on"} and not nested:
            continue
        term = _term_after(tokens, place)
        if not term:
            continue
        following = "".join(token[0] for token in tokens[place + len(term) + 1 :][:1])
        if nested and following not in {"and", "or"}:
            continue
        alternative = "or" in {word, following}
        yield SqlMutation(term[0][1], term[-1][2], "false" if alternative else "true")


def _term_after(tokens: list[tuple[str, int, int]], place: int) -> list[tuple[str, int, int]]:
    """The tokens of the condition after a word, up to the next one at the same depth."""
    depth = 0
    term: list[tuple[str, int, int]] = []
    for token in tokens[place + 1 :]:
        word = token[0]
        if depth == 0 and word in _CONDITION | _CLAUSE | {")", ","}:
            break
        depth += (word == "(") - (word == ")")
        term.append(token)
    return term if any(token[0] != "(" for token in term) else []
