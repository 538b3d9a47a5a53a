"""What ``make mutants`` changes, and that the change takes effect in what is imported already."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants import sql_mutations
from tests.mutants.equivalents import load
from tests.mutants.exchange import NotExchanged, exchange
from tests.mutants.mutation import shown
from tests.mutants.python_mutations import mutations
from tests.mutants.targets import TARGETS


def changed(body: str) -> set[str]:
    """The bodies that a function's mutations have."""
    source = f"def f(x, y):\n    {body}\n".encode()
    return {shown(each, source)[1] for each in mutations("m.py", source)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x < y", {"return x <= y"}),
        ("return x not in y", {"return x in y"}),
        ("return (x) is y", {"return (x) is not y"}),
        ("return x and not y", {"return True and not y", "return x and True", "return x and  y"}),
        ("return x or None", {"return False or None"}),
        ("return x + 7", {"return x - 7", "return x + 8"}),
        ("return x[1:]", {"return x[0:]", "return x[2:]"}),
        ("return max(x, True)", {"return min(x, True)", "return max(x, False)"}),
        ("return y if x else y", {"return y if not (x) else y"}),
        (
            "return [a for a in x if a]",
            {"return [a for a in x if True]", "return [a for a in x if not (a)]"},
        ),
        ("x.append(y)", {"pass"}),
        ("raise x", {"pass"}),
        ("x.y = y", {"pass"}),
        ("_log.info(x)", set()),
        ('return "less < more"', set()),
        ("return f'{x < y}'", {"return f'{x <= y}'"}),
        ("return zip(x, y, strict=True)", set()),
        ("return q.where(x == y)", {"return q.where(True)", "return q.where(x != y)"}),
    ],
)
def test_what_is_changed_in_python(body: str, expected: set[str]) -> None:
    assert changed(body) == {" ".join(each.split()) for each in expected}


@pytest.mark.parametrize(
    "literal",
    [
        '"select a from t where b < 1"',
        'f"select {x} from t where b < 1"',
        'f"""select {x} from t where b < 1"""',
        '"select a from t " "where b < 1"',
    ],
)
def test_sql_is_changed_where_it_stands_in_the_source(literal: str) -> None:
    before, after = literal.split("b < 1")
    assert changed(f"return {literal}") == {
        f"return {before}{term}{after}" for term in ("b <= 1", "b < 2", "true")
    }


def test_a_case_can_be_left_out_unless_it_matches_everything() -> None:
    body = (
        "    match x:\n        case int():\n            pass\n        case _:\n            pass\n"
    )
    source = f"def f(x):\n{body}".encode()
    (found,) = mutations("m.py", source)
    assert shown(found, source)[1] == "case int() if False:"


def test_limits_and_types_outside_functions_are_no_logic() -> None:
    source = b"LIMIT: Final = 5\nRow = int | str\n\nclass Point:\n    x: int = 3\n"
    assert mutations("m.py", source) == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "update t set a = 1 where b = 2 and c is null",
            {
                "update t set a = 2 where b = 2 and c is null",
                "update t set a = 1 where b <> 2 and c is null",
                "update t set a = 1 where b = 3 and c is null",
                "update t set a = 1 where b = 2 and c is not null",
                "update t set a = 1 where true and c is null",
                "update t set a = 1 where b = 2 and true",
            },
        ),
        (
            "select a from t where (b < :b or c) and d",
            {
                "select a from t where (b <= :b or c) and d",
                "select a from t where true and d",
                "select a from t where (false or c) and d",
                "select a from t where (b < :b or false) and d",
                "select a from t where (b < :b or c) and true",
            },
        ),
        (
            "delete from t where seen < now() - make_interval(secs => :s)",
            {
                "delete from t where seen > now() - make_interval(secs => :s)",
                "delete from t where seen < now() + make_interval(secs => :s)",
                "delete from t where true",
            },
        ),
    ],
)
def test_what_is_changed_in_sql(sql: str, expected: set[str]) -> None:
    made = {sql[: each.start] + each.new + sql[each.end :] for each in sql_mutations.mutations(sql)}
    assert made == expected


MODULE = """
import functools
from contextlib import contextmanager

QUERY = "select a from t where b = 1"
BOTH = (QUERY, QUERY)

def double(x, times=2):
    return x * times

class Box:
    @property
    def size(self):
        return 1 + 1

    @staticmethod
    def of(x):
        return not x

@functools.lru_cache
def cached():
    return 1 + 1

@contextmanager
def context():
    yield 1 + 1
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    path = tmp_path / "exchanged.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("exchanged", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["exchanged"] = made
    spec.loader.exec_module(made)
    yield made
    del sys.modules["exchanged"]


def test_what_is_held_already_changes_too(module: ModuleType) -> None:
    double, box, cached, context = module.double, module.Box(), module.cached, module.context
    assert cached() == 2
    text = MODULE.replace("1 + 1", "1 + 2").replace("not x", "x").replace("times=2", "times=3")
    exchange(str(module.__file__), MODULE.encode(), text.encode())
    assert double(2) == 6
    assert box.size == cached() == 3
    assert box.of(True)
    with context() as value:
        assert value == 3


def test_constants_change_with_what_is_made_of_them(module: ModuleType) -> None:
    exchange(str(module.__file__), MODULE.encode(), MODULE.replace("b = 1", "b <> 1").encode())
    assert module.QUERY == "select a from t where b <> 1"
    assert module.BOTH == (module.QUERY, module.QUERY)


def test_what_makes_no_difference_is_not_taken_for_a_mutation(module: ModuleType) -> None:
    with pytest.raises(NotExchanged):
        exchange(str(module.__file__), MODULE.encode(), MODULE.encode())


def test_every_target_is_there() -> None:
    for target in TARGETS:
        assert target.paths
        assert all(Path(path).exists() for path in target.tests)


def test_every_equivalent_mutation_has_a_reason() -> None:
    assert all(entry.reason for entry in load().values())
