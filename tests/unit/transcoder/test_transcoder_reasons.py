"""What people read of a file that could not be processed: what is wrong, and what helps."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.transcoder.planning import media_errors
from services.transcoder.planning.media_errors import failed, rejected
from services.transcoder.planning.reasons import REASONS, reason

ROOT = Path(media_errors.__file__).parents[1]
# What happens inside means nothing to people.
INNER_WORDS = re.compile(
    r"\b(encoders?|decoders?|segments?|chunks?|fragments?|workers?|tasks?|leases?|muxers?|we)\b",
    re.IGNORECASE,
)
ADVICE = re.compile(r"upload|copy it|try again", re.IGNORECASE)


@pytest.mark.parametrize("code", REASONS)
def test_a_reason_says_what_helps_and_nothing_of_the_inside(code: str) -> None:
    sentence = REASONS[code]
    words = re.sub(r"\(ffmpeg [^)]*\)", "", sentence)
    assert not INNER_WORDS.search(words)
    assert ADVICE.search(sentence), "it does not say what to do"
    assert sentence[0].isupper()
    assert sentence.endswith(".")


def test_values_are_filled_in() -> None:
    assert "from 7:12 on" in reason("media.damaged", at="7:12")
    error = rejected("media.encrypted", "detail", protection="Apple FairPlay")
    assert (error.code, error.detail) == ("media.encrypted", "detail")
    assert "Apple FairPlay" in error.reason
    assert failed("internal").reason == REASONS["internal"]


_MAKERS = frozenset(
    ("MediaRejected", "TaskFailed", "rejected", "failed", "Fault", "_fault", "_length")
)


def maker(node: ast.AST) -> str | None:
    """What a call calls, if that is a name."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return None


def raised() -> Iterator[tuple[Path, ast.Call]]:
    """Every place that makes an error of a task or a source."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and maker(node) in _MAKERS:
                yield path, node


def test_every_code_that_is_raised_has_its_sentence_in_the_table() -> None:
    found: set[str] = set()
    for path, call in raised():
        if path.name == "media_errors.py":
            continue
        first, *others = call.args
        name = ast.unparse(first)
        if name == "code":
            # It is passed on.
            continue
        code = getattr(media_errors, name, None) or ast.literal_eval(first)
        assert code in REASONS, f"{path.name}:{call.lineno}"
        found.add(code)
        literal = others and isinstance(others[0], ast.Constant | ast.JoinedStr)
        own = maker(call) in {"MediaRejected", "TaskFailed", "Fault"}
        assert not (own and literal), f"{path.name}:{call.lineno} has a sentence of its own"
    # The others are raised where a worker died, and of files without an index.
    assert set(REASONS) - found == {"worker.died", "media.no_index"}
