"""What documents point at exists: pages, headings, files, modules, make targets, commands."""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from services.operator.commands import command_line
from tests.support.documents import ROOT, Document, documents

ALL = documents()
BY_NAME = {document.name: document for document in ALL}
# What stands in for a part that differs: `task_<kind>.py`, `<name>/`, `v1/…`.
PLACEHOLDER = re.compile(r"[<>…*${}]")
TOPS = (
    "services",
    "shared",
    "deploy",
    "tools",
    "tests",
    "docs",
    "benchmarks",
    "web",
    "requirements",
)
FOLDERS = tuple(f"{top}/" for top in TOPS)
MADE = ("web/dist", "web/node_modules")
IN_MAKEFILE = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

each_document = pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)


def file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    found = (path.with_suffix(".py"), path / "__init__.py", path / "__main__.py")
    return next((file for file in found if file.exists()), None)


@each_document
def test_links_lead_somewhere(document: Document) -> None:
    dead: list[str] = []
    for link in document.links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        here = ROOT / document.name
        target = Path(os.path.normpath(here.parent / path)) if path else here
        page = BY_NAME.get(str(target.relative_to(ROOT)))
        if not target.exists() or (anchor and (page is None or anchor not in page.anchors)):
            dead.append(link)
    assert dead == []


@each_document
def test_files_that_are_named_exist(document: Document) -> None:
    named = set(re.findall(r"\bdocs/[\w/-]+\.md\b", document.text))
    for text in document.commands:
        # A command may name files of other places.
        if text.startswith((*FOLDERS, ".venv/bin/python")):
            named |= {word.partition("::")[0].rstrip(".,:") for word in text.split()}
    wanted = {name for name in named if name.startswith(FOLDERS) and not PLACEHOLDER.search(name)}
    missing = [
        name
        for name in sorted(wanted)
        # A decision may be named by its number.
        if not (name.startswith(MADE) or (ROOT / name).exists() or [*ROOT.glob(f"{name}-*.md")])
    ]
    assert missing == []


@each_document
def test_modules_that_are_named_exist(document: Document) -> None:
    names = {
        name
        for text in document.commands
        for name in re.findall(r"\b(?:services|shared|deploy|tools)(?:\.[a-z_0-9]+)+", text)
    }
    # A name inside of a module, such as a function, may follow it.
    missing = [
        name
        for name in sorted(names)
        if file_of(name) is None and file_of(name.rpartition(".")[0]) is None
    ]
    assert missing == []


@each_document
def test_make_targets_that_are_named_exist(document: Document) -> None:
    missing: list[str] = []
    for text in document.commands:
        for words in re.findall(r"\bmake((?: [a-z-]+(?!\S))+)", text):
            missing += [word for word in words.split() if word not in IN_MAKEFILE]
    assert missing == []


@each_document
def test_tests_that_are_picked_by_name_exist(document: Document) -> None:
    """`pytest PATH -k WORD` and `vitest run PATH -t WORD`: else they run nothing."""
    nothing: list[str] = []
    for text in document.commands:
        words = shlex.split(text, comments=True) if re.search(r" -[kt] ", text) else []
        runner = "pytest" if "pytest" in words else "vitest" if "vitest" in words else None
        if runner is None:
            continue
        option, top = ("-k", ROOT) if runner == "pytest" else ("-t", ROOT / "web")
        name = words[words.index(option) + 1]
        (path,) = (top / word for word in words if word.startswith("tests/"))
        files = [path] if path.is_file() else [*path.rglob("test_*.py")]
        titles = rf"def test_\w*{name}" if runner == "pytest" else rf"(?:it|describe)\(.*{name}"
        if not any(name in file.name or re.search(titles, file.read_text()) for file in files):
            nothing.append(text)
    assert nothing == []


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


@each_document
def test_commands_of_cinelog_that_are_named_exist(document: Document) -> None:
    def unopened(_: object) -> Any:
        raise AssertionError("only names are looked at")

    known = set(_commands(command_line(unopened, unopened)))
    missing: list[str] = []
    for text in document.commands:
        found = re.match(r'(?:\$ )?(?:cinelog |make cli ARGS=")([a-z][^"]*)', text)
        if found is None or found.group(1).startswith(("deploy/", "-")):
            continue
        words = [word for word in shlex.split(found.group(1)) if not word.startswith("-")]
        if not any(tuple(words[:length]) in known for length in (2, 1)):
            missing.append(text)
    assert missing == []


def test_environment_variables_of_make_are_those_it_reads() -> None:
    makefile = (ROOT / "Makefile").read_text() + (ROOT / "deploy/local/__main__.py").read_text()
    makefile += (ROOT / "deploy/docker/images.py").read_text()
    makefile += (ROOT / "deploy/docker/base.py").read_text()
    makefile += (ROOT / "deploy/local/bootstrap.py").read_text()
    settings = BY_NAME["docs/configuration.md"].text
    for document in ALL:
        for text in document.commands:
            for words in re.findall(r"\bmake (?:[a-z-]+ )+((?:[A-Z_]+=\S* ?)+)", text):
                for name in re.findall(r"([A-Z_]+)=", words):
                    assert name in makefile or name in settings, f"{document.name}: {text}"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (test_links_lead_somewhere, "[a](nowhere.md)"),
        (test_links_lead_somewhere, "[a](architecture.md#no-such-heading)"),
        (test_files_that_are_named_exist, "docs/operations.md"),
        (test_files_that_are_named_exist, "`services/catalog/nowhere.py`"),
        (test_files_that_are_named_exist, "```sh\n.venv/bin/python -m pytest tests/none.py\n```"),
        (test_modules_that_are_named_exist, "`python -m services.catalog.nowhere.main`"),
        (
            test_tests_that_are_picked_by_name_exist,
            "`.venv/bin/python -m pytest tests/unit/catalog -k no_such`",
        ),
        (
            test_tests_that_are_picked_by_name_exist,
            "`cd web && npx vitest run tests/tus.test.ts -t resume`",
        ),
        (test_make_targets_that_are_named_exist, "`make nothing`"),
        (test_commands_of_cinelog_that_are_named_exist, "```text\n$ cinelog nothing at all\n```"),
    ],
)
def test_a_wrong_document_is_found(check: Callable[[Document], None], text: str) -> None:
    with pytest.raises(AssertionError):
        check(Document("docs/page.md", f"# Page\n\n{text}\n"))
