"""Which checks a change needs: pure functions over file names and the graph of imports.

A check is left out only where it cannot fail because of the change. So types are checked in what
changed and in everything that imports it, tests are run that import any of that, and a change that
no graph describes (settings of tools, data files) leads to the whole check.
"""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from msgspec import Struct

PACKAGES: Final = ("services", "shared", "deploy", "tools")
"""What pyright checks, and what tests import."""

_CODE: Final = tuple(f"{name}/" for name in PACKAGES)
_TOOLS: Final = ("pyproject.toml", "requirements/")


class Imports(Protocol):
    """A graph of imports, as grimp builds it."""

    @property
    def modules(self) -> set[str]:
        """All modules that it knows."""
        ...

    def find_downstream_modules(self, module: str) -> set[str]:
        """Those that import the module, directly or through others."""
        ...


class Plan(Struct, frozen=True, kw_only=True):
    """What to run. ``None`` for types and tests means all of them."""

    python: list[str]
    imports: bool
    types: list[str] | None
    tests: list[str] | None
    web: bool


def module_of(file: str) -> str:
    """The dotted name of a Python file."""
    path = PurePosixPath(file).with_suffix("")
    return ".".join(path.parent.parts if path.name == "__init__" else path.parts)


def plan(
    changed: Iterable[str], gone: Iterable[str], imports: Imports, tests: Mapping[str, set[str]]
) -> Plan:
    """The checks for the ``changed`` files; ``gone`` are those that were deleted.

    ``tests`` maps each file of unit tests to the modules that it imports.
    """
    present, deleted = sorted(set(changed)), sorted(set(gone))
    every = [*present, *deleted]
    python = [file for file in present if file.endswith(".py")]
    code = [file for file in every if file.endswith(".py") and file.startswith(_CODE)]
    everything = any(_undescribed(file) for file in every) or any(f in code for f in deleted)
    touched = affected(code, imports)
    helpers = {module_of(file) for file in every if file.startswith("tests/")}
    reached = [file for file, names in tests.items() if names & (touched | helpers)]
    own = [file for file in python if file in tests]
    return Plan(
        python=["."] if any(file.startswith(_TOOLS) for file in every) else python,
        imports=everything or bool(code),
        types=None if everything else [_file(module, imports) for module in sorted(touched)],
        tests=None if everything else sorted({*reached, *own}),
        web=any(file.startswith("web/") for file in every),
    )


def affected(files: Iterable[str], imports: Imports) -> set[str]:
    """The modules in ``files`` and all that import them.

    A package's ``__init__`` is run before any of its modules, so it stands for all of them.
    """
    found: set[str] = set()
    for file in files:
        name = module_of(file)
        inside = {one for one in imports.modules if one.startswith(f"{name}.")}
        for module in {name, *(inside if file.endswith("__init__.py") else ())}:
            found.add(module)
            if module in imports.modules:
                found |= imports.find_downstream_modules(module)
    return found


def imported_by(file: Path, root: Path) -> set[str]:
    """The modules that a test file imports, through other files of tests too."""
    seen: set[Path] = set()
    found: set[str] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for name in _imports(current):
            found.add(name)
            helper = root / f"{name.replace('.', '/')}.py"
            if name.startswith("tests.") and helper.exists():
                waiting.append(helper)
    return found


def _imports(file: Path) -> set[str]:
    """Dotted names; for ``from a import b`` both ``a`` and ``a.b``, as ``b`` may be a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _undescribed(file: str) -> bool:
    """Settings of tools, and data that any code or test may read."""
    if file.startswith(_TOOLS) or file.endswith("/conftest.py"):
        return True
    beside = file.startswith((*_CODE, "tests/"))
    return beside and not file.endswith((".py", ".md"))


def _file(module: str, imports: Imports) -> str:
    path = module.replace(".", "/")
    package = any(name.startswith(f"{module}.") for name in imports.modules)
    return f"{path}/__init__.py" if package else f"{path}.py"
