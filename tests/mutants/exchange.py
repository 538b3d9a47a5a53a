"""Puts a mutated module in the place of one that is imported, while others hold parts of it."""

import ast
import functools
import inspect
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class NotExchanged(Exception):
    """Nothing that is imported differs from the mutated module."""


def exchange(path: str, source: bytes, mutated: bytes) -> None:
    """Let functions, methods and constants of the module at ``path`` be those of ``mutated``.

    Functions keep their identity and get new code, so that everything that has imported one uses
    it. A constant is bound anew wherever it has been imported under its name. What another module
    has computed from it when it was imported stays. ``source`` is what was imported.

    Raises NotExchanged, and what executing the module raises.
    """
    module = _module_at(ROOT / path)
    fresh = ModuleType(module.__name__)
    fresh.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(compile(mutated, str(module.__file__), "exec"), fresh.__dict__)
    changed = 0
    for name, new in vars(fresh).items():
        old = vars(module).get(name)
        if inspect.isclass(new) and inspect.isclass(old) and new.__module__ == module.__name__:
            for attribute, method in vars(new).items():
                changed += _take_over(vars(old).get(attribute), method)
        else:
            changed += _take_over(old, new)
    for name in _constants_that_differ(ast.parse(source), ast.parse(mutated)):
        changed += 1
        _bind(module, name, getattr(fresh, name))
    if not changed:
        raise NotExchanged(path)


def _module_at(path: Path) -> ModuleType:
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(path):
            return module
    raise NotExchanged(f"{path} is not imported")


def _take_over(old: Any, new: Any) -> int:
    """Give a function the code of another one; 1 if it differs."""
    for outer in (old, getattr(old, "fget", None)):
        if isinstance(outer, functools._lru_cache_wrapper):
            outer.cache_clear()
    before, after = _function(old), _function(new)
    if before is None or after is None or before.__module__ != after.__module__:
        return 0
    same = before.__code__ == after.__code__ and repr(before.__defaults__) == repr(
        after.__defaults__
    )
    if same:
        return 0
    before.__code__ = after.__code__
    before.__defaults__ = after.__defaults__
    before.__kwdefaults__ = after.__kwdefaults__
    return 1


def _function(value: Any) -> FunctionType | None:
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if callable(value):
        value = inspect.unwrap(value)
    return value if isinstance(value, FunctionType) else None


def _constants_that_differ(before: ast.Module, after: ast.Module) -> list[str]:
    """The names assigned outside functions whose values differ, or depend on one that does."""
    differ: list[str] = []
    for old, new in zip(before.body, after.body, strict=True):
        if not isinstance(new, ast.Assign | ast.AnnAssign) or new.value is None:
            continue
        uses = {node.id for node in ast.walk(new.value) if isinstance(node, ast.Name)}
        if ast.dump(old) != ast.dump(new) or uses.intersection(differ):
            targets = new.targets if isinstance(new, ast.Assign) else [new.target]
            differ += [target.id for target in targets if isinstance(target, ast.Name)]
    return differ


def _bind(module: ModuleType, name: str, value: object) -> None:
    old = getattr(module, name)
    setattr(module, name, value)
    for other in list(sys.modules.values()):
        inside = str(getattr(other, "__file__", None) or "").startswith(str(ROOT))
        if inside and vars(other).get(name) is old:
            setattr(other, name, value)
